import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createAgent } from "../../../src/agent/agent.ts";
import { gatherFacts } from "../../../src/agent/facts.ts";
import { connectBus, type NatsBus } from "../../../src/nats/connect-bus.ts";
import { CONTROLLER_INBOX, nodeInbox } from "../../../src/protocol/subjects.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { startNatsServer } from "../../../dev/controlplane/control-plane.ts";
import { ControllerSide, revision } from "../../unit/agent/controller-side.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { eventually, runOf } from "./world.ts";

function connect(server: string, inbox: string): NatsBus {
  return connectBus({
    servers: [server],
    name: inbox,
    inbox,
    clock: systemClock,
    random: Math.random,
    logger: new RecordingLogger(),
  });
}

test("over a real broker, commands are answered, run once, and their results confirmed", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "steward-agent-"));
  const node = "ship1";
  // A broker of its own: on the shared one, the controllers of other tests would answer as well.
  await using server = await startNatsServer();
  await using controllerBus = connect(server.url, CONTROLLER_INBOX);
  await using agentBus = connect(server.url, nodeInbox(node));
  const controller = new ControllerSide(controllerBus);
  await eventually(() =>
    expect([controllerBus.connected, agentBus.connected]).toEqual([true, true]),
  );
  const stop = new AbortController();
  const running = createAgent(
    { node, namespace: "default", dataDir: join(dataDir, "data"), agentVersion: "1.2.3" },
    {
      bus: agentBus,
      clock: systemClock,
      random: Math.random,
      newID: randomUUID,
      logger: new RecordingLogger(),
      machine: await gatherFacts(),
    },
  ).run(stop.signal);
  await eventually(() => expect(controller.hellos).toHaveLength(1));
  const offers = Array.from({ length: 40 }, (_, index) =>
    controller.offer({
      node,
      name: `task-${index % 20}`,
      revision: revision("a"),
      work: { args: ["echo $STEWARD_RUN_ID"] },
    }),
  );
  const runIDs = new Set((await Promise.all(offers)).map((ack) => runOf(ack).runID));
  expect(runIDs.size).toBe(20);
  await eventually(() => expect(controller.results).toHaveLength(20));
  for (const { runID, result } of controller.results) {
    expect(result).toMatchObject({ outcome: "Succeeded", stdout: { text: `${runID}\n` } });
  }
  stop.abort();
  await running;
  rmSync(dataDir, { recursive: true, force: true });
});

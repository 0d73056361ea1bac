import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAgent } from "../../../src/agent/agent.ts";
import { gatherFacts } from "../../../src/agent/facts.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import { CONTROLLER_INBOX, nodeInbox } from "../../../src/protocol/subjects.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { ControllerSide, revision } from "../../unit/agent/controller-side.ts";
import { MemoryBroker } from "../../unit/agent/memory-bus.ts";
import { agentSecurity } from "../../support/agent-security.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { SecureBroker } from "../nats/secure-world.ts";
import { connected } from "../nats/world.ts";
import { AgentProcess } from "./agent-process.ts";
import { writeIdentity } from "./secure-agents.ts";
import { eventually, runOf } from "./world.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "steward-agent-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

test("over a real broker, commands are answered, run once, and their results confirmed", async () => {
  const node = "ship1";
  // A broker of its own: on the shared one, the controllers of other tests would answer as well.
  await using broker = await SecureBroker.start();
  await using controllerBus = broker.controller();
  const credentials = await broker.mint(node);
  await using agentBus = broker.node(node, () => credentials);
  const controller = new ControllerSide(controllerBus);
  await connected(controllerBus, agentBus);
  const stop = new AbortController();
  const running = createAgent(
    { node, namespace: "default", dataDir: join(dir, "data"), agentVersion: "1.2.3" },
    {
      bus: agentBus,
      clock: systemClock,
      random: Math.random,
      newID: randomUUID,
      logger: new RecordingLogger(),
      machine: await gatherFacts(),
      security: agentSecurity(),
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
});

describe("a ledger that cannot be relied on is told to the controller before the agent ends:", () => {
  test("one that cannot be opened, at each start", async () => {
    const dataDir = join(dir, "data");
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "ledger.db"), "no ledger ".repeat(1_000));
    await using broker = await SecureBroker.start();
    await using bus = broker.controller();
    const controller = new ControllerSide(bus);
    await connected(bus);
    await writeIdentity(dataDir, broker);
    for (const start of [1, 2]) {
      await using agent = new AgentProcess(dataDir);
      expect(await agent.exit()).toBe(1);
      await eventually(() => expect(controller.errors).toHaveLength(start));
    }
    expect(controller.errors[0]).toMatchObject({
      namespace: "default",
      process: "ledger",
      severity: "fatal",
      message: expect.stringContaining("is damaged"),
    });
    expect(controller.hellos).toEqual([]);
  });

  test("one that does not commit any more", async () => {
    const dataDir = join(dir, "data");
    Ledger.open(join(dataDir, "ledger.db"), randomUUID).close();
    const db = new DatabaseSync(join(dataDir, "ledger.db"));
    db.exec("CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT RAISE(FAIL, 'full'); END");
    db.close();
    await using broker = await SecureBroker.start();
    await using bus = broker.controller();
    const controller = new ControllerSide(bus);
    await connected(bus);
    await writeIdentity(dataDir, broker);
    await using agent = new AgentProcess(dataDir);
    await eventually(() => expect(controller.hellos).not.toEqual([]));
    expect(await controller.offer()).toMatchObject({ reason: "JournalUnavailable" });
    expect(await agent.exit()).toBe(1);
    await eventually(() =>
      expect(controller.errors).toContainEqual(
        expect.objectContaining({
          process: "ledger",
          severity: "fatal",
          message: expect.stringContaining("the ledger does not commit"),
        }),
      ),
    );
  });

  test("one that cannot be opened while there is no link, as soon as there is one", async () => {
    const dataDir = join(dir, "data");
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "ledger.db"), "no ledger ".repeat(1_000));
    const broker = new MemoryBroker();
    const controller = new ControllerSide(broker.connect(CONTROLLER_INBOX));
    const bus = broker.connect(nodeInbox("ship1"));
    bus.setConnected(false);
    const running = createAgent(
      { node: "ship1", namespace: "default", dataDir, agentVersion: "1.2.3" },
      {
        bus,
        clock: systemClock,
        random: Math.random,
        newID: randomUUID,
        logger: new RecordingLogger(),
        machine: await gatherFacts(),
        security: agentSecurity(),
      },
    ).run(new AbortController().signal);
    const failed = expect(running).rejects.toThrow("is damaged");
    bus.setConnected(true);
    await failed;
    expect(controller.errors).toMatchObject([{ process: "ledger", severity: "fatal" }]);
  });
});

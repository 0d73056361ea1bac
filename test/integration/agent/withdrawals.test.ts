import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CANCELLED, DELETED } from "../../../src/agent/run-end.ts";
import { commandMessage } from "../../../src/protocol/command.ts";
import { encodeMessage } from "../../../src/protocol/envelope.ts";
import { commandSubject, withdrawalSubject } from "../../../src/protocol/subjects.ts";
import { withdrawalMessage } from "../../../src/protocol/withdrawal.ts";
import { CONTROLLER_SIGNERS } from "../../support/test-keys.ts";
import { command, deletion, revision, withdrawal } from "../../unit/agent/controller-side.ts";
import { eventually, runOf, World } from "./world.ts";

const REPLACEMENT = { uid: randomUUID(), takesOver: command().uid };

let world: World;
beforeEach(async () => {
  world = new World();
  await world.startReadyAgent();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Offers a command that runs until it is ended, and waits until it does. */
async function running(): Promise<string> {
  const script = `echo ran >> ${world.path("ran")}; exec sleep 300`;
  const { runID } = runOf(await world.controller.offer({ work: { args: [script] } }));
  await eventually(() => expect(world.lines("ran")).toEqual(["ran"]));
  return runID;
}

describe("a withdrawal", () => {
  test("ends the run that it means, which says so", async () => {
    const runID = await running();
    expect(runOf(await world.controller.withdraw()).runID).toBe(runID);
    const { result } = await world.result(runID);
    expect(result).toMatchObject({ ...CANCELLED, started: "True", signal: "SIGTERM" });
    expect(runOf(await world.controller.offer())).toMatchObject({ runID, state: "Finished" });
  });

  test("that overtakes its command keeps it from ever running", async () => {
    const ack = await world.controller.withdraw();
    const { runID } = runOf(ack);
    expect((await world.result(runID)).result).toMatchObject({ ...CANCELLED, started: "False" });
    const work = { args: [`echo ran >> ${world.path("ran")}`] };
    expect(runOf(await world.controller.offer({ work }))).toMatchObject({ runID, attempts: 0 });
    const later = { generation: 2, declared: 2, revision: revision("b") };
    await world.result(runOf(await world.controller.offer(later)).runID);
    expect(world.lines("ran")).toEqual([]);
  });

  test("ends a run that waits for its next attempt, with what the last one came to", async () => {
    const terms = { retry: { limit: 5, backoffMs: 600_000, maxBackoffMs: 600_000 } };
    const work = { args: [`echo ran >> ${world.path("ran")}; exit 7`] };
    const { runID } = runOf(await world.controller.offer({ work, terms }));
    await eventually(async () => {
      const report = runOf(await world.controller.offer());
      expect(report).toMatchObject({ state: "Accepted", attempts: 1 });
    });
    await world.controller.withdraw();
    const { result, attempts } = await world.result(runID);
    expect(result).toMatchObject({ ...CANCELLED, started: "True", exitCode: 7 });
    expect(attempts).toBe(1);
    const next = { generation: 2, declared: 2, revision: revision("b") };
    const after = runOf(await world.controller.offer({ ...next, work: { args: ["true"] } }));
    expect((await world.result(after.runID)).result.outcome).toBe("Succeeded");
    expect(world.lines("ran")).toEqual(["ran"]);
  });

  test("of a deleted resource ends its run, and nothing of it runs any more", async () => {
    const runID = await running();
    expect(runOf(await world.controller.delete()).runID).toBe(runID);
    expect((await world.result(runID)).result).toMatchObject({ ...DELETED, started: "True" });
    const next = { generation: 2, declared: 2, revision: revision("b") };
    expect((await world.controller.offer(next)).answer).toBe("superseded");
    const again = runOf(await world.controller.offer(REPLACEMENT));
    expect(again).toMatchObject({ runID, adopted: true, uid: REPLACEMENT.uid });
  });
});

describe("what is no withdrawal for this agent is refused:", () => {
  test("one for another session", async () => {
    const runID = await running();
    for (const ack of [
      await world.controller.withdraw({ sessionID: randomUUID() }),
      await world.controller.delete({ sessionID: randomUUID() }),
    ]) {
      expect(ack).toMatchObject({ answer: "refused", reason: "WrongSession" });
    }
    expect(world.statesOnDisk().get(runID)).toBe("Running");
  });

  test("a command where withdrawals come", async () => {
    const { session } = world.controller;
    const data = encodeMessage(commandMessage, command({ sessionID: session }), CONTROLLER_SIGNERS);
    const ack = await world.controller.ask(withdrawalSubject("ship1"), data);
    expect(ack).toMatchObject({ answer: "refused", reason: "Malformed" });
  });

  test("a withdrawal where commands come", async () => {
    const { session } = world.controller;
    for (const message of [withdrawal({ sessionID: session }), deletion({ sessionID: session })]) {
      const data = encodeMessage(withdrawalMessage, message, CONTROLLER_SIGNERS);
      const ack = await world.controller.ask(commandSubject("ship1", "exec"), data);
      expect(ack).toMatchObject({ answer: "refused", reason: "Malformed" });
    }
  });
});

test("an agent that does not know whether an earlier ledger had it says so, and runs nothing", async () => {
  const requestedAt = "2026-01-01T00:00:00.000Z";
  const ledgerSince = "2026-01-01T00:00:00.001Z";
  const ack = await world.controller.offer({ requestedAt, ledgerSince });
  expect(ack).toEqual({ answer: "ledgerLost" });
  expect((await world.controller.withdraw({ requestedAt, ledgerSince })).answer).toBe("ledgerLost");
  expect(world.statesOnDisk().size).toBe(0);
});

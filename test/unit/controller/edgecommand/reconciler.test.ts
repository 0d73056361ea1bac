import { describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../../src/api/v1alpha1/edgecommand.ts";
import type { Ack } from "../../../../src/protocol/ack.ts";
import {
  edgeCommand,
  NODE_GRACE_MS,
  OTHER_UID,
  runReport,
  runResult,
} from "../../../support/builders.ts";
import { edited } from "./planning.ts";
import { KEY, ReconcilerWorld } from "./reconciler-world.ts";

const HOUR = 3_600_000;
const command = edgeCommand();
const accepting: Ack = { answer: "accepted", run: runReport(command, { state: "Running" }) };
const away = { kind: "away", message: "Nothing is heard." } as const;

function generations({ received }: ReconcilerWorld): number[] {
  return received.map((each) => ("generation" in each ? each.generation : 0));
}

function stored(world: ReconcilerWorld): EdgeCommand {
  const found = world.commands.get(KEY);
  if (found === undefined) throw new Error("it is not there");
  return found;
}

function worldWith(of = command): ReconcilerWorld {
  const world = new ReconcilerWorld();
  world.commands.put(of);
  return world;
}

describe("what lasts or is seen has a step before and after it", () => {
  test("a command that is sent and ends", async () => {
    const world = worldWith();
    world.answer = () => accepting;
    await world.passes();
    world.report(runReport(command));
    await world.passes();
    expect(world.steps).toEqual([
      "offer.sending",
      "offer.answered",
      "status.writing",
      "status.written",
      "receipt.sending",
      "receipt.sent",
    ]);
    expect(world.receipts).toMatchObject([{ receipt: "stored" }]);
    expect(world.commands.writes).toBe(1);
  });

  test("a cancelled one: the status names it before it is withdrawn", async () => {
    const world = worldWith(edgeCommand({ generation: 2, spec: { cancel: true } }));
    await world.pass();
    expect(world.steps).toEqual([
      "status.writing",
      "status.written",
      "withdrawal.sending",
      "withdrawal.answered",
    ]);
    expect(world.received).toMatchObject([{ scope: "run", generation: 2, declared: 2 }]);
  });

  test("one whose time is up", async () => {
    const world = worldWith(edgeCommand({ spec: { ttlAfterFinished: "1h", cancel: true } }));
    await world.pass();
    await world.clock.advance(HOUR);
    await world.pass();
    expect(world.steps.slice(-2)).toEqual(["resource.deleting", "resource.deleted"]);
    expect(world.commands.get(KEY)).toBeUndefined();
  });
});

describe("no receipt is given", () => {
  test("when the status was not written", async () => {
    const world = worldWith();
    world.commands.updateStatus = () => Promise.reject(new Error("the API server is away"));
    world.report(runReport(command));
    await expect(world.pass()).rejects.toThrow("away");
    expect(world.receipts).toEqual([]);
  });
});

test("when the resource was changed meanwhile neither a receipt is given nor anything sent", async () => {
  const world = worldWith(edgeCommand({ generation: 2 }));
  world.commands.watching = false;
  world.commands.put(edgeCommand({ generation: 3, spec: { cancel: true } }));
  world.report(runReport(command));
  await world.pass();
  expect([world.receipts, world.received, world.dueInMs]).toEqual([[], [], 0]);
  world.report(runReport(command));
  await world.pass();
  expect(world.receipts).toMatchObject([{ receipt: "stored" }]);
  expect(world.received).toMatchObject([{ scope: "run", generation: 3 }]);
});

test.each([
  ["404", { name: "not-there" }],
  ["409", { resourceVersion: "0" }],
])(
  "a status write that fails with a %s while the resource is as it was read is tried with back-off",
  async (_, metadata) => {
    const world = worldWith();
    world.node = away;
    const updateStatus = world.commands.updateStatus.bind(world.commands);
    world.commands.updateStatus = (object, status) =>
      updateStatus({ ...object, metadata: { ...object.metadata, ...metadata } }, status);
    await expect(world.passes()).rejects.toThrow();
    expect(world.dueInMs).toBeUndefined();
    expect(world.steps).toEqual(["status.writing"]);
  },
);

describe("a resource whose time is up", () => {
  const over = edgeCommand({ spec: { ttlAfterFinished: "1h", cancel: true } });

  test("is due then, also by a controller that has just started", async () => {
    const world = worldWith(over);
    await world.pass();
    expect(world.dueInMs).toBe(HOUR);
    world.restart();
    await world.clock.advance(HOUR - 10);
    await world.pass();
    expect(world.dueInMs).toBe(10);
    expect(world.commands.get(KEY)).toBeDefined();
  });

  test("is looked at again if it was edited meanwhile, and kept", async () => {
    const world = worldWith(over);
    await world.pass();
    await world.clock.advance(HOUR);
    world.commands.watching = false;
    world.commands.put(edited(stored(world), { cancel: false, rerun: "now" }));
    await world.pass();
    expect(world.dueInMs).toBe(0);
    world.answer = () => accepting;
    await world.passes();
    expect(world.status).toMatchObject({ run: { rerun: "now" } });
    expect(world.received).toHaveLength(1);
  });

  test("may be gone already", async () => {
    const world = worldWith(over);
    await world.pass();
    await world.clock.advance(HOUR);
    world.commands.watching = false;
    world.commands.remove(KEY);
    await world.pass();
    expect(world.steps.at(-1)).toBe("resource.deleting");
  });
});

describe("a live read comes before every re-send", () => {
  test("of a command: what was edited meanwhile is sent as it is now, after it is written", async () => {
    const world = worldWith();
    await world.passes();
    world.commands.watching = false;
    world.commands.put(edited(command, { args: ["df"] }));
    await world.clock.advance(1_000);
    await world.passes();
    expect(generations(world)).toEqual([1, 2]);
    expect(world.steps.slice(-4, -2)).toEqual(["status.writing", "status.written"]);
  });

  test("of a command that was deleted meanwhile: nothing is sent", async () => {
    const world = worldWith();
    await world.passes();
    world.commands.watching = false;
    world.commands.remove(KEY);
    await world.clock.advance(1_000);
    await world.passes();
    expect(generations(world)).toEqual([1]);
  });

  test("of a command of which nothing is to be written: none is sent that is not there", async () => {
    const world = worldWith();
    await world.passes();
    await world.clock.advance(1_000);
    await world.passes();
    const { writes } = world.commands;
    world.commands.watching = false;
    world.commands.remove(KEY);
    await world.clock.advance(2_000);
    await world.passes();
    expect(generations(world)).toEqual([1, 1]);
    expect(world.commands.writes).toBe(writes);
  });

  test("of a withdrawal: one that was taken back meanwhile is not sent", async () => {
    const world = worldWith(edgeCommand({ generation: 2, spec: { cancel: true } }));
    await world.passes();
    world.commands.watching = false;
    world.commands.put(edited(stored(world), { cancel: false }));
    await world.clock.advance(1_000);
    await world.passes();
    expect(world.received.map((each) => "scope" in each)).toEqual([true, false]);
  });
});

describe("a cancellation", () => {
  const cancelled = runResult({ outcome: "Cancelled", started: "False", reason: "Cancelled" });

  test("of a command without an answer is offered until the node has it", async () => {
    const world = worldWith();
    await world.passes();
    await world.clock.advance(1_000);
    await world.passes();
    const wanted = edited(stored(world), { cancel: true });
    world.commands.put(wanted);
    await world.passes();
    await world.clock.advance(1_000);
    const run = runReport(wanted, { declared: 1, result: cancelled });
    world.answer = () => ({ answer: "accepted", run });
    await world.passes();
    expect(world.received.map((each) => "scope" in each)).toEqual([false, false, true, true]);
    expect(world.status).toMatchObject({ phase: "Cancelled", run: { started: "False" } });
    const { writes } = world.commands;
    await world.passes();
    expect(world.commands.writes).toBe(writes);
    expect(world.received).toHaveLength(4);
  });

  test("survives a restart of the controller", async () => {
    const world = worldWith(edgeCommand({ generation: 2, spec: { cancel: true } }));
    await world.pass();
    world.restart();
    await world.pass();
    expect(world.received.map((each) => "scope" in each)).toEqual([true, true]);
  });
});

test("what was skipped is withdrawn when its node is back, and firm then", async () => {
  const skipping = edgeCommand({ spec: { offlinePolicy: "Skip" } });
  const world = worldWith(skipping);
  world.node = away;
  world.silentMs = NODE_GRACE_MS;
  await world.pass();
  expect(world.status?.phase).toBe("Skipped");
  world.node = { kind: "present", sessionID: OTHER_UID };
  const result = runResult({ outcome: "Cancelled", started: "False", reason: "Cancelled" });
  world.answer = () => ({ answer: "accepted", run: runReport(skipping, { result }) });
  await world.passes();
  expect(world.received).toMatchObject([{ scope: "run" }]);
  expect(world.status).toMatchObject({ phase: "Skipped", run: { started: "False" } });
  await world.passes();
  expect(world.received).toHaveLength(1);
});

test("a node that is ahead is believed after a live read, and passed over by a new rerun", async () => {
  const world = worldWith();
  const row = { uid: command.metadata.uid, epoch: 0, generation: 9 };
  world.answer = () => ({ answer: "nodeIsAhead", row });
  await world.passes();
  expect(world.received).toHaveLength(2);
  expect(world.status?.run).toMatchObject({ reason: "NodeIsAhead", nodeRow: row });
  world.restart();
  await world.passes();
  expect(world.received).toHaveLength(2);
  world.commands.put(edited(stored(world), { rerun: "now" }));
  await world.pass();
  expect(world.received.at(-1)).toMatchObject({ epoch: 1, rerun: "now", takesOver: row.uid });
});

test("a run whose ledger is lost is not offered again, and the node's own word still counts", async () => {
  const world = worldWith();
  world.answer = () => ({ answer: "ledgerLost" });
  await world.passes();
  expect(world.status).toMatchObject({ phase: "Unknown", run: { reason: "LedgerLost" } });
  world.exchanges.hurry(KEY);
  await world.passes();
  expect(world.received).toHaveLength(1);
  world.node = { kind: "present", sessionID: OTHER_UID };
  world.answer = () => accepting;
  await world.passes();
  expect(world.received).toHaveLength(1);
});

test.each([
  ["of another rerun", { rerun: "b" }],
  ["of another revision", { revision: `v1:${"0".repeat(32)}` }],
  ["of another resource", { uid: OTHER_UID }],
])("an answer that speaks %s is none", async (_, overrides) => {
  const of = edgeCommand({ spec: { rerun: "a" } });
  const world = worldWith(of);
  world.answer = () => ({ answer: "known", run: runReport(of, overrides) });
  await world.passes();
  expect(world.status?.run?.outcome).toBeUndefined();
  expect(world.dueInMs).toBeGreaterThan(0);
});

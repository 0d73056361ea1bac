import { describe, expect, test } from "vitest";

import type { EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import type { Hello } from "../../../src/protocol/hello.ts";
import { edgeCommand, OTHER_UID, runReport, SESSION_ID } from "../../support/builders.ts";
import { settle } from "../../support/fake-clock.ts";
import { accepting, CLUSTER_ID, GRACE_MS, LEDGER_ID, World } from "./controller-world.ts";

const NODE = "default/ship1";
const OTHER_LEDGER = "1edce11d-0000-4000-8000-000000000002";
const THIRD_SESSION = "44444444-4444-4444-8444-000000000003";
const NEXT: Partial<Hello> = { sessionID: OTHER_UID, ledgerID: OTHER_LEDGER };
const STALLED = expect.objectContaining({
  type: "Stalled",
  status: "True",
  reason: "LedgerRolledBack",
});

async function listening(): Promise<World> {
  const world = await new World().start();
  world.answer(accepting);
  return world;
}

/** Another controller writes what our watch has yet to tell. */
function writtenByAnother(world: World, status: Partial<EdgeNode["status"]>): void {
  const node = world.nodes.get(NODE);
  if (node === undefined) throw new Error("there is no node");
  world.nodes.watching = false;
  world.nodes.put({ ...node, status: { ...node.status, ...status } });
}

async function liveStatus(world: World): Promise<EdgeNode["status"] | undefined> {
  return (await world.nodes.getLive("default", "ship1"))?.status;
}

describe("a node's ledger", () => {
  test("is recorded with the time and its counter; of the first one no command speaks", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 3 });
    expect(world.node()).toMatchObject({
      ledgerID: LEDGER_ID,
      ledgerSince: "2026-11-24T06:00:00.250Z",
      ledgerCounter: 3,
    });
    expect(world.node()).not.toHaveProperty("previousLedgerID");
    world.commands.put(edgeCommand());
    await world.clock.advance(10);
    expect(world.received).toHaveLength(1);
    expect(world.received[0]).not.toHaveProperty("ledgerSince");
  });

  test("that takes another's place is told to the node with every command, since when", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 3 });
    await world.clock.advance(1_000);
    await world.hello({ ...NEXT, ledgerCounter: 0 });
    const ledgerSince = "2026-11-24T06:00:01.250Z";
    const recorded = { ledgerID: OTHER_LEDGER, previousLedgerID: LEDGER_ID, ledgerSince };
    expect(world.node()).toMatchObject({ ...recorded, ledgerCounter: 0 });
    world.commands.put(edgeCommand());
    await world.clock.advance(10);
    expect(world.received).toMatchObject([{ ledgerSince }]);
    await world.helloFor(60_000, { ...NEXT, sessionID: THIRD_SESSION });
    expect(world.node()).toMatchObject(recorded);
  });

  test.each([
    ["with its session", NEXT],
    ["by itself", { ledgerID: OTHER_LEDGER }],
  ])("that changes %s is in etcd before anything is sent to the node", async (_, next) => {
    const world = await listening();
    world.commands.put(edgeCommand());
    await world.hello();
    world.received.length = 0;
    const updateStatus = world.nodes.updateStatus.bind(world.nodes);
    world.nodes.updateStatus = () => Promise.reject(new Error("the API server is away"));
    await world.hello(next);
    await world.clock.advance(10_000);
    expect(world.received).toEqual([]);
    world.nodes.updateStatus = updateStatus;
    await world.clock.advance(60_000);
    expect(world.node()).toMatchObject({ previousLedgerID: LEDGER_ID });
    expect(world.received.length).toBeGreaterThan(0);
    for (const { ledgerSince } of world.received) {
      expect(ledgerSince).toBe(world.node()?.ledgerSince);
    }
  });

  test("is no first one for a controller that had not seen what another wrote of it", async () => {
    const world = await listening();
    await world.declare();
    writtenByAnother(world, { ledgerID: LEDGER_ID, ledgerSince: "2026-01-01T00:00:00.000Z" });
    expect(world.node()).not.toHaveProperty("ledgerID");
    await world.hello(NEXT);
    await world.clock.advance(1_000);
    expect(await liveStatus(world)).toMatchObject({
      ledgerID: OTHER_LEDGER,
      previousLedgerID: LEDGER_ID,
    });
    world.commands.put(edgeCommand());
    await world.clock.advance(10);
    expect(world.received).toMatchObject([{ ledgerSince: world.node()?.ledgerSince }]);
  });

  test("is the first of an EdgeNode that was deleted and created again", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 9 });
    world.nodes.remove(NODE);
    await world.hello({ ...NEXT, ledgerCounter: 2 });
    expect(world.node()).toMatchObject({ ledgerID: OTHER_LEDGER, ledgerCounter: 2 });
    expect(world.node()).not.toHaveProperty("previousLedgerID");
  });

  test("has its counter written with a new session, and with no heartbeat", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 1 });
    const { writes } = world.nodes;
    for (let ledgerCounter = 2; ledgerCounter < 10; ledgerCounter += 1) {
      await world.helloFor(30_000, { ledgerCounter });
    }
    expect(world.nodes.writes).toBe(writes);
    await world.hello({ ledgerCounter: 10, sessionID: OTHER_UID });
    expect(world.node()).toMatchObject({ ledgerCounter: 10 });
    expect(world.nodes.writes).toBe(writes + 1);
  });
});

describe("a ledger that is an earlier copy of itself", () => {
  const REFUSED = { accepted: false, reason: "LedgerRolledBack" };

  test("is refused, its node gets nothing, and people are told what to do", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 5 });
    await world.hello({ ledgerCounter: 7 });
    expect(await world.hello({ ledgerCounter: 6, sessionID: OTHER_UID })).toMatchObject(REFUSED);
    expect(world.node()).toMatchObject({ ledgerCounter: 7, session: { id: SESSION_ID } });
    expect(world.node()?.conditions).toEqual([
      expect.objectContaining({ type: "Ready", status: "False", reason: "LedgerRolledBack" }),
      STALLED,
    ]);
    const told = world.events.filter(({ reason }) => reason === "LedgerRolledBack");
    expect(told).toEqual([
      expect.objectContaining({ type: "Warning", note: expect.stringContaining("ledger.db") }),
    ]);
    world.commands.put(edgeCommand());
    await world.helloFor(300_000, { ledgerCounter: 6, sessionID: OTHER_UID });
    expect(world.received).toEqual([]);
    expect(world.status()?.run?.message).toContain("earlier copy");
    expect(world.events.filter(({ reason }) => reason === "LedgerRolledBack")).toHaveLength(1);
  });

  test("of a node that was away is told to people as well", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 7 });
    await world.clock.advance(10 * GRACE_MS);
    await world.hello({ ledgerCounter: 6, sessionID: OTHER_UID });
    const told = world.events.map(({ reason }) => reason);
    expect(told.slice(-2)).toEqual(["NodeAway", "LedgerRolledBack"]);
  });

  test("is refused within a session too: a whole machine may be put back", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 7 });
    expect(await world.hello({ ledgerCounter: 6 })).toMatchObject(REFUSED);
  });

  test("is refused by a controller that knows of the later one from its EdgeNode alone", async () => {
    const world = new World();
    await world.declare();
    const node = world.nodes.get(NODE);
    if (node === undefined) throw new Error("there is no node");
    world.nodes.put({ ...node, status: { ...node.status, ledgerID: LEDGER_ID, ledgerCounter: 7 } });
    await world.start();
    expect(await world.hello({ ledgerCounter: 6 })).toMatchObject(REFUSED);
    expect(await world.hello({ ledgerCounter: 7 })).toMatchObject({ accepted: true });
  });

  test("is found out when what another controller wrote of it is read", async () => {
    const world = await listening();
    await world.declare();
    writtenByAnother(world, { ledgerID: LEDGER_ID, ledgerCounter: 7 });
    world.commands.put(edgeCommand());
    await world.hello({ ledgerCounter: 6 });
    await world.clock.advance(1_000);
    expect((await liveStatus(world))?.conditions).toContainEqual(STALLED);
    expect(world.received).toEqual([]);
  });

  test("is refused also after another ledger was there meanwhile", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 7 });
    await world.hello({ ...NEXT, ledgerCounter: 0 });
    expect(await world.hello({ ledgerCounter: 6, sessionID: THIRD_SESSION })).toMatchObject(
      REFUSED,
    );
    expect(world.node()).toMatchObject({ ledgerID: OTHER_LEDGER, ledgerCounter: 0 });
  });

  test.each([
    ["the later one is back", { ledgerCounter: 7 }, { ledgerID: LEDGER_ID }],
    ["it was removed", { ...NEXT, ledgerCounter: 0 }, { previousLedgerID: LEDGER_ID }],
  ])("is forgotten when %s", async (_, hello, recorded) => {
    const world = await listening();
    await world.hello({ ledgerCounter: 7 });
    await world.hello({ ledgerCounter: 6 });
    world.commands.put(edgeCommand());
    await settle();
    expect(await world.hello(hello)).toMatchObject({ accepted: true });
    await world.clock.advance(10);
    expect(world.node()).toMatchObject(recorded);
    expect(world.node()?.conditions).toEqual([
      expect.objectContaining({ type: "Ready", status: "True" }),
    ]);
    expect(world.received).toHaveLength(1);
  });

  test("stays so for a controller that has not heard the node yet", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 7 });
    await world.hello({ ledgerCounter: 6 });
    const node = world.nodes.get(NODE);
    if (node === undefined) throw new Error("there is no node");
    const next = new World();
    next.nodes.put(node);
    await next.start();
    await next.clock.advance(1_000_000);
    expect(next.node()?.conditions).toContainEqual(STALLED);
    expect(next.nodes.writes).toBe(0);
  });

  test("counts as silence for what its node owes", async () => {
    const world = await listening();
    await world.hello({ ledgerCounter: 7 });
    world.commands.put(edgeCommand({ spec: { timeout: "1m" } }));
    await world.clock.advance(2_000);
    expect(world.status()?.phase).toBe("Accepted");
    await world.helloFor(600_000, { ledgerCounter: 6, sessionID: OTHER_UID });
    expect(world.status()).toMatchObject({ phase: "Unknown", run: { reason: "NodeSilent" } });
  });
});

describe("a node of another cluster", () => {
  test("is told of once an hour, with both ids and the option that helps", async () => {
    const world = await listening();
    await world.helloFor(50 * 60_000, { clusterID: OTHER_UID });
    const told = (): unknown[] =>
      world.logger.lines.filter(({ message }) => message.includes("--cluster-id"));
    expect(told()).toEqual([
      expect.objectContaining({
        message: expect.stringContaining(`--cluster-id=${OTHER_UID}`),
        fields: expect.objectContaining({ nodeClusterID: OTHER_UID, clusterID: CLUSTER_ID }),
      }),
    ]);
    await world.helloFor(20 * 60_000, { clusterID: OTHER_UID });
    expect(told()).toHaveLength(2);
  });

  test("obeys a controller that was given its id, and keeps its results for it", async () => {
    const world = new World();
    await world.start(OTHER_UID);
    world.answer(accepting);
    expect(await world.hello({ clusterID: OTHER_UID })).toMatchObject({ clusterID: OTHER_UID });
    world.commands.put(edgeCommand());
    await world.clock.advance(10);
    expect(world.received).toMatchObject([{ clusterID: OTHER_UID }]);
    expect(await world.result(runReport(edgeCommand()), OTHER_UID)).toMatchObject({
      receipt: "stored",
    });
  });
});

import { describe, expect, test } from "vitest";

import { encodeMessage } from "../../../src/protocol/envelope.ts";
import { errorEventMessage } from "../../../src/protocol/error-event.ts";
import { eventSubject } from "../../../src/protocol/subjects.ts";
import { edgeCommand, OTHER_UID, runReport } from "../../support/builders.ts";
import { NODE_SIGNERS } from "../../support/test-keys.ts";
import { settle } from "../../support/fake-clock.ts";
import { accepting, CLUSTER_ID, GRACE_MS, KEY, LEDGER_ID, World } from "./controller-world.ts";

test("a new command that ends at once costs exactly one status write", async () => {
  const world = await new World().start();
  world.answer(accepting);
  await world.hello();
  world.commands.put(edgeCommand());
  await world.clock.advance(10);
  expect(world.received).toHaveLength(1);
  expect(await world.result(runReport(edgeCommand()))).toMatchObject({ receipt: "stored" });
  await world.clock.advance(3_600_000);
  expect(world.status()).toMatchObject({ phase: "Succeeded" });
  expect(world.commands.writes).toBe(1);
  expect(world.received).toHaveLength(1);
});

test("a receipt is given only after the status is in etcd", async () => {
  const world = await new World().start();
  await world.hello();
  world.commands.put(edgeCommand());
  await settle();
  const before = world.commands.writes;
  world.commands.updateStatus = () => Promise.reject(new Error("the API server is away"));
  expect(await world.result(runReport(edgeCommand()))).toBeUndefined();
  expect(world.commands.writes).toBe(before);
});

describe("results that belong elsewhere", () => {
  test("of a resource that is gone are orphaned, by a live read", async () => {
    const world = await new World().start();
    await world.hello();
    expect(await world.result(runReport(edgeCommand()))).toMatchObject({ receipt: "orphaned" });
  });

  test("of a resource that only the API server has as yet are not orphaned", async () => {
    const world = await new World().start();
    await world.hello();
    world.commands.watching = false;
    world.commands.put(edgeCommand());
    expect(await world.result(runReport(edgeCommand()))).toBeUndefined();
  });

  test("of another cluster on the same broker get no answer", async () => {
    const world = await new World().start();
    await world.hello();
    expect(await world.result(runReport(edgeCommand()), OTHER_UID)).toBeUndefined();
  });

  test("of another node's command are refused", async () => {
    const world = await new World().start();
    await world.hello();
    world.commands.put(edgeCommand({ spec: { nodeName: "ship2" } }));
    expect(await world.result(runReport(edgeCommand()))).toMatchObject({ receipt: "refused" });
    expect(world.status()?.run?.outcome).toBeUndefined();
  });

  test("of an earlier uid do not make the API server busy while the watch is silent", async () => {
    const world = await new World().start();
    await world.hello();
    world.commands.put(edgeCommand());
    await settle();
    world.commands.watching = false;
    world.commands.remove(KEY);
    world.commands.put(edgeCommand({ uid: OTHER_UID }));
    world.commands.calls = 0;
    await world.result(runReport(edgeCommand()));
    await world.clock.advance(10_000);
    expect(world.commands.calls).toBeLessThan(40);
  });
});

describe("hellos", () => {
  test("of a node of another cluster are left to its own controller", async () => {
    const world = await new World({ security: "insecure" }).start();
    expect(await world.hello({ clusterID: OTHER_UID })).toBeUndefined();
    expect(world.nodes.get("default/ship1")).toBeUndefined();
  });

  test("register the node, tell the time, and cost no further write while nothing changes", async () => {
    const world = await new World({ security: "insecure" }).start();
    expect(await world.hello()).toMatchObject({ accepted: true, clusterID: CLUSTER_ID });
    expect(world.nodes.get("default/ship1")?.status).toMatchObject({ ledgerID: LEDGER_ID });
    const { writes } = world.nodes;
    for (let i = 0; i < 20; i += 1) {
      await world.clock.advance(30_000);
      await world.hello();
    }
    expect(world.nodes.writes).toBe(writes);
  });

  test("from another namespace than the owner's are refused", async () => {
    const world = await new World().start();
    await world.hello();
    expect(await world.hello({ namespace: "other" })).toMatchObject({ reason: "NameConflict" });
  });

  test("are asked for no more often than every five seconds, whatever the nodes answer", async () => {
    const world = await new World().start();
    world.answer(() => ({ answer: "refused", reason: "WrongSession", message: "another session" }));
    await world.hello();
    world.commands.put(edgeCommand());
    await world.clock.advance(20_000);
    expect(world.helloRequests).toBeLessThanOrEqual(5);
    expect(world.received.length).toBeLessThan(12);
  });

  test("that do not come make the node away, and its commands wait", async () => {
    const world = await new World().start();
    await world.hello();
    await world.clock.advance(GRACE_MS + 1);
    world.commands.put(edgeCommand());
    await settle();
    expect(world.status()).toMatchObject({ phase: "WaitingForNode", run: { reason: "NodeAway" } });
  });

  test("that cannot come, for the broker is away, say nothing about the nodes", async () => {
    const world = await new World().start();
    world.answer(accepting);
    await world.hello();
    const { writes } = world.nodes;
    world.bus.setConnected(false);
    world.commands.put(edgeCommand());
    await world.clock.advance(10 * GRACE_MS);
    expect(world.nodes.writes).toBe(writes);
    expect(world.status()).toMatchObject({ phase: "Sent", run: { reason: "BrokerUnavailable" } });
    world.bus.setConnected(true);
    await world.clock.advance(GRACE_MS - 1);
    expect(world.nodes.writes).toBe(writes);
    await world.clock.advance(2);
    expect(world.nodes.writes).toBe(writes + 1);
  });
});

test("a controller that could not start works when it is started again", async () => {
  const world = new World();
  const subscribe = world.bus.subscribe.bind(world.bus);
  world.bus.subscribe = () => {
    throw new Error("injected");
  };
  const run = world.controller.run(new AbortController().signal, CLUSTER_ID);
  await expect(run).rejects.toThrow("injected");
  world.bus.subscribe = subscribe;
  await world.start();
  world.answer(accepting);
  await world.hello();
  world.commands.put(edgeCommand());
  await world.clock.advance(10);
  expect(world.received).toHaveLength(1);
});

test("a node whose name cannot be one stops nobody", async () => {
  const world = new World();
  await world.nodes.create({ metadata: { namespace: "default", name: "ship.1" } });
  world.commands.put(edgeCommand());
  await world.start();
  world.answer(accepting);
  await world.hello();
  await world.clock.advance(10);
  expect(world.received).toHaveLength(1);
});

test("a resource that no message can be made of stops nobody", async () => {
  const world = await new World().start();
  world.answer(accepting);
  await world.hello();
  const odd = edgeCommand();
  world.commands.put({ ...odd, spec: { ...odd.spec, timeout: "5 minutes" } });
  await world.clock.advance(60_000);
  expect(world.received).toEqual([]);
  expect(world.status()?.conditions).toContainEqual(
    expect.objectContaining({ type: "Stalled", reason: "InvalidSpec" }),
  );
});

test("an agent's own error is an Event and makes its node Degraded for a while", async () => {
  const world = await new World().start();
  await world.hello();
  const error = {
    namespace: "default",
    node: "ship1",
    process: "method/exec",
    severity: "error",
    message: "no fork",
  } as const;
  for (let i = 0; i < 10; i += 1) {
    world.ship.publish(
      eventSubject("ship1", "error"),
      encodeMessage(errorEventMessage, error, NODE_SIGNERS),
    );
  }
  await settle();
  const degraded = (): unknown =>
    world.nodes.get("default/ship1")?.status.conditions?.find(({ type }) => type === "Degraded");
  expect(degraded()).toMatchObject({ status: "True", message: "method/exec: no fork" });
  expect(world.events).toContainEqual(expect.objectContaining({ reason: "AgentError" }));
  for (let i = 0; i < 21; i += 1) {
    await world.clock.advance(30_000);
    await world.hello();
  }
  expect(degraded()).toBeUndefined();
});

import { describe, expect, test } from "vitest";

import type { Ack } from "../../../src/protocol/ack.ts";
import type { Hello } from "../../../src/protocol/hello.ts";
import { edgeCommand, OTHER_UID, runReport, SESSION_ID } from "../../support/builders.ts";
import { settle } from "../../support/fake-clock.ts";
import { accepting, CLUSTER_ID, GRACE_MS, KEY, World } from "./controller-world.ts";

const MINUTE = 60_000;
const { uid: UID } = edgeCommand().metadata;
const WITHDRAWAL = { scope: "resource", namespace: "default", name: "uptime", uid: UID };
const RUN_ID = runReport(edgeCommand()).runID;
const REFUSED: Ack = { answer: "refused", reason: "NotReady", message: "it stops" };

/** A world in which the node has accepted the command and not ended it. */
async function running(answerToWithdrawal?: () => Ack): Promise<World & { silence: () => void }> {
  const world = await new World().start();
  const silence = world.answer(accepting, answerToWithdrawal);
  await world.hello();
  world.commands.put(edgeCommand());
  await world.clock.advance(10);
  expect(world.received).toHaveLength(1);
  return Object.assign(world, { silence });
}

async function listening(): Promise<World> {
  const world = await new World().start();
  world.answer(accepting);
  return world;
}

function naming(run: Partial<Hello["runs"][number]> = {}): Partial<Hello> {
  const named = { name: "uptime", uid: UID, runID: RUN_ID, state: "Running" as const, ...run };
  return { runs: [named], runsWithoutReceipt: 1 };
}

describe("a deletion that the watch tells of", () => {
  test("withdraws at once what may run, by its uid, in the node's session", async () => {
    const world = await running();
    world.commands.remove(KEY);
    await settle();
    expect(world.withdrawals).toEqual([
      expect.objectContaining({ ...WITHDRAWAL, clusterID: CLUSTER_ID, sessionID: SESSION_ID }),
    ]);
  });

  test("withdraws nothing whose end is known for good", async () => {
    const world = await running();
    await world.result(runReport(edgeCommand()));
    expect(world.status()?.phase).toBe("Succeeded");
    world.commands.remove(KEY);
    await world.helloFor(5 * MINUTE);
    expect(world.withdrawals).toEqual([]);
  });

  test("withdraws what was never sent: an offer may be on its way", async () => {
    const world = await new World().start();
    world.answer(accepting);
    await world.hello();
    const request = world.bus.request.bind(world.bus);
    let offers = 0;
    world.bus.request = (subject, data, options) => {
      if (!subject.endsWith(".shellcommand")) return request(subject, data, options);
      offers += 1;
      return new Promise(() => undefined);
    };
    world.commands.put(edgeCommand());
    await settle();
    expect(offers).toBe(1);
    world.commands.remove(KEY);
    await settle();
    expect(world.withdrawals).toMatchObject([WITHDRAWAL]);
  });

  test("withdraws the uid that is gone when the name has another one by now", async () => {
    const world = await running();
    world.commands.remove(KEY);
    world.commands.put(edgeCommand({ uid: OTHER_UID }));
    await world.clock.advance(10);
    expect(world.withdrawals).toMatchObject([WITHDRAWAL]);
  });

  test("withdraws nothing that the API server still has", async () => {
    const world = await running();
    const command = world.commands.get(KEY);
    if (command === undefined) throw new Error("it is not there");
    world.controller.commandChanged(command, true);
    await world.helloFor(5 * MINUTE);
    expect(world.withdrawals).toEqual([]);
  });

  test("withdraws nothing until the API server can say that it is gone", async () => {
    const world = await running();
    const getLive = world.commands.getLive.bind(world.commands);
    world.commands.getLive = () => Promise.reject(new Error("the API server is away"));
    world.commands.remove(KEY);
    await world.helloFor(5 * MINUTE);
    expect(world.withdrawals).toEqual([]);
    world.commands.getLive = getLive;
    await world.helloFor(MINUTE);
    expect(world.withdrawals).toMatchObject([WITHDRAWAL]);
  });

  test.each(["before", "while"])(
    "withdraws nothing in a process that may not act, since %s it looked",
    async (when) => {
      const world = await running();
      const getLive = world.commands.getLive.bind(world.commands);
      world.commands.getLive = (namespace, name) => {
        world.mayAct = false;
        return getLive(namespace, name);
      };
      world.mayAct = when === "while";
      world.commands.remove(KEY);
      await world.helloFor(5 * MINUTE);
      expect(world.withdrawals).toEqual([]);
    },
  );

  test("is for the session that the node has when the API server has answered", async () => {
    const world = await running();
    const getLive = world.commands.getLive.bind(world.commands);
    world.commands.getLive = async (namespace, name) => {
      await world.hello({ sessionID: OTHER_UID });
      return getLive(namespace, name);
    };
    world.commands.remove(KEY);
    await world.helloFor(MINUTE, { sessionID: OTHER_UID });
    expect(world.withdrawals).toMatchObject([{ sessionID: OTHER_UID }]);
  });
});

describe("a withdrawal", () => {
  test.each<Ack>([
    { answer: "absent" },
    { answer: "superseded" },
    { answer: "known", run: runReport(edgeCommand(), { state: "Running" }) },
    { answer: "nodeIsAhead", row: { uid: UID, epoch: 0, generation: 7 } },
  ])("that is answered with $answer is not repeated", async (ack) => {
    const world = await running(() => ack);
    world.commands.remove(KEY);
    await world.helloFor(9 * MINUTE);
    expect(world.withdrawals).toHaveLength(1);
  });

  test("that is refused is repeated with back-off until it is not", async () => {
    const answers: Ack[] = [REFUSED, REFUSED, REFUSED];
    const world = await running(() => answers.shift() ?? { answer: "absent" });
    world.commands.remove(KEY);
    const seen: number[] = [];
    for (let second = 0; second < 10; second += 1) {
      await world.clock.advance(1_000);
      seen.push(world.withdrawals.length);
    }
    expect(seen).toEqual([2, 2, 3, 3, 3, 3, 4, 4, 4, 4]);
  });

  test("that nobody answers is repeated while the node is there", async () => {
    const world = await running();
    const request = world.bus.request.bind(world.bus);
    let tries = 0;
    world.bus.request = async () => {
      tries += 1;
      return Promise.resolve({ kind: "timeout" });
    };
    world.commands.remove(KEY);
    await world.clock.advance(8_000);
    expect(tries).toBe(4);
    world.bus.request = request;
    await world.clock.advance(8_000);
    expect(world.withdrawals).toHaveLength(1);
  });

  test("waits for the node's next hello when nobody listens there", async () => {
    const world = await running();
    world.silence();
    world.commands.remove(KEY);
    await world.clock.advance(30_000);
    world.answer(accepting);
    await world.clock.advance(30_000);
    expect(world.withdrawals).toEqual([]);
    await world.hello();
    expect(world.withdrawals).toMatchObject([WITHDRAWAL]);
  });

  test("of a command that was deleted while its node was away is sent with its next hello", async () => {
    const world = await running();
    await world.clock.advance(GRACE_MS + 1);
    const { calls } = world.commands;
    world.commands.remove(KEY);
    await world.clock.advance(60 * MINUTE);
    expect(world.commands.calls).toBe(calls);
    await world.hello({ sessionID: OTHER_UID });
    expect(world.withdrawals).toMatchObject([{ ...WITHDRAWAL, sessionID: OTHER_UID }]);
  });

  test("waits until the EdgeNode names the session, and for no other hello then", async () => {
    const world = await running();
    await world.clock.advance(GRACE_MS + 1);
    world.commands.remove(KEY);
    const updateStatus = world.nodes.updateStatus.bind(world.nodes);
    const written = Promise.withResolvers<void>();
    world.nodes.updateStatus = async (node, status) => {
      await written.promise;
      return updateStatus(node, status);
    };
    await world.hello({ sessionID: OTHER_UID });
    expect(world.withdrawals).toEqual([]);
    written.resolve();
    await settle();
    expect(world.withdrawals).toMatchObject([{ sessionID: OTHER_UID }]);
  });

  test("waits for the broker", async () => {
    const world = await running();
    world.bus.setConnected(false);
    const { calls } = world.commands;
    world.commands.remove(KEY);
    await world.clock.advance(60 * MINUTE);
    expect(world.commands.calls).toBe(calls);
    world.bus.setConnected(true);
    await world.hello();
    expect(world.withdrawals).toMatchObject([WITHDRAWAL]);
  });

  test("is forgotten with the EdgeNode", async () => {
    const world = await running();
    await world.clock.advance(GRACE_MS + 1);
    world.commands.remove(KEY);
    world.nodes.remove("default/ship1");
    await settle();
    await world.helloFor(5 * MINUTE);
    expect(world.withdrawals).toEqual([]);
  });
});

describe("a run that a node names and whose resource is not there", () => {
  test("is withdrawn after ten minutes, and not before", async () => {
    const world = await listening();
    await world.hello(naming());
    await world.helloFor(10 * MINUTE - 30_000, naming());
    expect(world.withdrawals).toEqual([]);
    await world.helloFor(30_000, naming());
    expect(world.withdrawals).toMatchObject([WITHDRAWAL]);
  });

  test("of an earlier uid of the resource is withdrawn as well", async () => {
    const world = await listening();
    world.commands.put(edgeCommand({ uid: OTHER_UID, spec: { suspend: true } }));
    await world.hello(naming({ state: "Accepted" }));
    await world.helloFor(10 * MINUTE, naming({ state: "Accepted" }));
    expect(world.withdrawals).toMatchObject([WITHDRAWAL]);
  });

  test("is left to its result when it has ended", async () => {
    const world = await listening();
    await world.helloFor(20 * MINUTE, naming({ state: "Finished" }));
    expect(world.withdrawals).toEqual([]);
  });

  test("counts anew after a hello that does not name it", async () => {
    const world = await listening();
    await world.helloFor(9 * MINUTE, naming());
    await world.hello();
    await world.helloFor(9 * MINUTE, naming());
    expect(world.withdrawals).toEqual([]);
  });

  test("is left alone when its resource comes back", async () => {
    const world = await listening();
    await world.helloFor(9 * MINUTE, naming());
    world.commands.put(edgeCommand());
    await world.helloFor(20 * MINUTE, naming());
    expect(world.withdrawals).toEqual([]);
  });

  test("is left alone when only the cache does not have it", async () => {
    const world = await listening();
    await world.hello(naming());
    world.commands.watching = false;
    world.commands.put(edgeCommand());
    await world.helloFor(30 * MINUTE, naming());
    expect(world.commands.get(KEY)).toBeUndefined();
    expect(world.withdrawals).toEqual([]);
    expect(world.commands.calls).toBeLessThan(5);
  });

  test("is left alone while the API server cannot say so", async () => {
    const world = await listening();
    world.commands.getLive = () => Promise.reject(new Error('namespaces "default" not found'));
    await world.helloFor(20 * MINUTE, naming());
    expect(world.withdrawals).toEqual([]);
  });
});

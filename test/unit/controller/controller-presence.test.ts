import { describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import type { Hello } from "../../../src/protocol/hello.ts";
import { edgeCommand, OTHER_UID, runReport } from "../../support/builders.ts";
import { settle } from "../../support/fake-clock.ts";
import { accepting, GRACE_MS, KEY, World } from "./controller-world.ts";

const NODE = "default/ship1";
const TEN_MINUTES = 600_000;

async function withDeclaredNode(): Promise<World> {
  const world = await new World().start();
  world.answer(accepting);
  await world.declare();
  return world;
}

function skipping(): EdgeCommand {
  const other = edgeCommand({ uid: OTHER_UID, spec: { offlinePolicy: "Skip" } });
  return { ...other, metadata: { ...other.metadata, name: "other" } };
}

/** Nothing is written of it, for its node may yet come; and then the watch falls silent. */
async function undecidedBehindSilentWatch(): Promise<World> {
  const world = await withDeclaredNode();
  world.commands.put(edgeCommand({ spec: { offlinePolicy: "Skip" } }));
  await world.clock.advance(5_000);
  expect(world.commands.writes).toBe(0);
  world.commands.watching = false;
  return world;
}

async function nodeComes(world: World): Promise<void> {
  await world.clock.advance(60_000);
  await world.hello();
  await world.clock.advance(10);
}

describe("deleting the EdgeNode of a node that is heard", () => {
  const { name, uid } = edgeCommand().metadata;
  const { runID } = runReport(edgeCommand());
  const naming: Partial<Hello> = {
    runs: [{ name, uid, runID, state: "Accepted" }],
    runsWithoutReceipt: 1,
  };

  /** What it accepted must have ended by now, by all that was agreed; a moment ago its EdgeNode was deleted. */
  async function afterTheDeletion(): Promise<World> {
    const world = await new World().start();
    world.answer(({ uid: of }) => ({
      answer: "known",
      run: runReport(edgeCommand({ uid: of }), { state: "Accepted" }),
    }));
    await world.hello();
    world.commands.put(edgeCommand());
    await world.helloFor(900_000, naming);
    expect(world.status()?.phase).toBe("Accepted");
    world.nodes.remove(NODE);
    world.commands.put(skipping());
    await world.clock.advance(100);
    return world;
  }

  test("makes nothing Unknown or Skipped at once", async () => {
    const world = await afterTheDeletion();
    expect(world.status()?.run?.outcome).toBeUndefined();
    expect(world.commands.get("default/other")?.status.run?.outcome).toBeUndefined();
    await world.hello(naming);
    await world.clock.advance(5_000);
    expect(world.status()?.phase).toBe("Accepted");
    expect(world.commands.get("default/other")?.status.run?.outcome).toBeUndefined();
  });

  test("does when nothing has been heard of it for the grace period", async () => {
    const world = await afterTheDeletion();
    await world.clock.advance(GRACE_MS);
    expect(world.status()?.run).toMatchObject({ outcome: "Unknown", reason: "NodeSilent" });
    expect(world.commands.get("default/other")?.status.phase).toBe("Skipped");
  });
});

describe("a command that waited unwritten behind a silent watch", () => {
  test("is sent when its node comes", async () => {
    const world = await undecidedBehindSilentWatch();
    await nodeComes(world);
    expect(world.received).toHaveLength(1);
  });

  test("is not sent if it was cancelled", async () => {
    const world = await undecidedBehindSilentWatch();
    const spec = { offlinePolicy: "Skip", cancel: true } as const;
    world.commands.put(edgeCommand({ generation: 2, spec }));
    await nodeComes(world);
    expect(world.received).toEqual([]);
  });

  test("is not sent if it was deleted", async () => {
    const world = await undecidedBehindSilentWatch();
    world.commands.remove(KEY);
    await nodeComes(world);
    expect(world.received).toEqual([]);
  });
});

test("a node that says hello while nobody listens to its commands costs no endless writes", async () => {
  const world = await new World().start();
  await world.hello();
  world.commands.put(edgeCommand());
  await world.helloFor(300_000);
  const before = [world.commands.writes, world.nodes.writes, world.events.length];
  await world.helloFor(3 * TEN_MINUTES);
  expect([world.commands.writes, world.nodes.writes, world.events.length]).toEqual(before);
  expect(world.status()).toMatchObject({ phase: "Sent", run: { reason: "NoResponders" } });
  expect(world.node()?.conditions).toContainEqual(
    expect.objectContaining({ type: "Ready", status: "True" }),
  );
  world.answer(accepting);
  await world.clock.advance(70_000);
  expect(world.received.length).toBeGreaterThan(0);
});

test("a hello that waited for a registration and was overtaken rolls back no ledger", async () => {
  const world = await new World({ security: "insecure" }).start();
  world.answer(accepting);
  const create = world.nodes.create.bind(world.nodes);
  const registration = Promise.withResolvers<void>();
  world.nodes.create = async (node) => {
    await registration.promise;
    return create(node);
  };
  const overtaken = world.hello({ ledgerCounter: 0 });
  await settle();
  await world.clock.advance(10);
  await create({ metadata: { namespace: "default", name: "ship1" } });
  await settle();
  await world.hello({ ledgerCounter: 1 });
  registration.resolve();
  await overtaken;
  await world.clock.advance(10);
  expect(world.node()?.conditions?.map(({ reason }) => reason)).not.toContain("LedgerRolledBack");
  world.commands.put(edgeCommand());
  await world.clock.advance(10);
  expect(world.received).toHaveLength(1);
});

test.each([
  ["404", { name: "not-there" }],
  ["409", { resourceVersion: "0" }],
])(
  "an EdgeNode's status write that fails with a %s while it is as it was read is tried with back-off",
  async (_, metadata) => {
    const world = await withDeclaredNode();
    const updateStatus = world.nodes.updateStatus.bind(world.nodes);
    let tries = 0;
    world.nodes.updateStatus = (node, status) => {
      tries += 1;
      const refused = { ...node, metadata: { ...node.metadata, ...metadata } };
      // Enough of it, lest a loop lasts for ever.
      return updateStatus(tries > 50 ? node : refused, status);
    };
    await world.hello();
    await world.clock.advance(0);
    expect(tries).toBe(1);
    await world.clock.advance(10_000);
    expect(tries).toBeLessThan(20);
    expect(tries).toBeGreaterThan(1);
  },
);

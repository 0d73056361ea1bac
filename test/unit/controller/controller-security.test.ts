import { describe, expect, test } from "vitest";

import type { EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import { encodeMessage } from "../../../src/protocol/envelope.ts";
import { errorEventMessage } from "../../../src/protocol/error-event.ts";
import { NO_SIGNERS } from "../../../src/protocol/signature.ts";
import { eventSubject } from "../../../src/protocol/subjects.ts";
import { timestampOf } from "../../../src/runtime/clock.ts";
import { signerOf } from "../../../src/identity/signatures.ts";
import { edgeCommand, OTHER_UID, runReport, SESSION_ID } from "../../support/builders.ts";
import { settle } from "../../support/fake-clock.ts";
import { TOKEN_KEY } from "../../support/test-keys.ts";
import {
  accepting,
  COMMAND_KEYS,
  GRACE_MS,
  KEY,
  LEDGER_ID,
  SEALING_KEY,
  World,
} from "./controller-world.ts";

const NODE = "default/ship1";
const STRANGER = [signerOf(TOKEN_KEY)];

function conditionsOf(world: World): unknown {
  return world.nodes.get(NODE)?.status.conditions;
}

async function edit(world: World, spec: Partial<EdgeNode["spec"]>): Promise<void> {
  const node = world.nodes.get(NODE);
  if (node === undefined) throw new Error("there is no node");
  await world.nodes.updateSpec(node, { ...node.spec, ...spec });
  await settle();
}

describe("a hello that is not signed by the node's key", () => {
  test.each([
    ["unsigned", NO_SIGNERS],
    ["signed by somebody else", STRANGER],
  ])("%s changes nothing, is refused, and is told of once", async (_, signers) => {
    const world = await new World().start();
    await world.declare();
    world.answer(accepting);
    world.commands.put(edgeCommand());
    world.signers = signers;
    const { writes } = world.nodes;
    for (let i = 0; i < 5; i += 1) {
      expect(await world.hello()).toMatchObject({
        accepted: false,
        reason: "NotRegistered",
        message: expect.stringContaining("steward enroll ship1 -n default"),
      });
    }
    await world.clock.advance(1_000);
    expect(world.nodes.writes).toBe(writes);
    expect(world.received).toEqual([]);
    const told = world.events.filter(({ reason }) => reason === "UntrustedMessage");
    expect(told).toHaveLength(1);
    await world.clock.advance(600_000);
    await world.hello();
    expect(world.events.filter(({ reason }) => reason === "UntrustedMessage")).toHaveLength(2);
  });

  test("registers nobody", async () => {
    const world = await new World().start();
    expect(await world.say(world.helloOf())).toMatchObject({ reason: "NotRegistered" });
    expect([...world.nodes.list()]).toEqual([]);
  });

  test("is left to the controller of the namespace that it names", async () => {
    const world = await new World({ namespace: "default" }).start();
    await world.declare();
    world.signers = STRANGER;
    expect(await world.hello({ namespace: "other" })).toBeUndefined();
    expect(world.events.map(({ reason }) => reason)).not.toContain("UntrustedMessage");
    expect(await world.hello()).toMatchObject({ reason: "NotRegistered" });
  });

  test("keeps nobody present who is not heard himself", async () => {
    const world = await new World().start();
    await world.hello();
    world.signers = STRANGER;
    await world.helloFor(GRACE_MS + 30_000);
    expect(conditionsOf(world)).toContainEqual(
      expect.objectContaining({ type: "Ready", status: "False", reason: "NodeAway" }),
    );
  });

  test("is that of the key before, when the EdgeNode names another", async () => {
    const world = await new World().start();
    await world.hello();
    await edit(world, { publicKey: TOKEN_KEY.publicKey });
    expect(await world.hello()).toMatchObject({ reason: "NotRegistered" });
    expect(world.node()?.identity?.sealingKey).toBeUndefined();
    world.signers = STRANGER;
    expect(await world.hello({ sessionID: OTHER_UID })).toMatchObject({ accepted: true });
  });

  test("and nothing is sent to who had that key, or sealed to its sealing key, from then on", async () => {
    const world = await new World().start();
    world.answer(accepting);
    await world.hello();
    await edit(world, { publicKey: TOKEN_KEY.publicKey });
    world.commands.put(edgeCommand());
    await world.clock.advance(5_000);
    expect(world.received).toEqual([]);
    world.signers = STRANGER;
    await world.hello({ sessionID: OTHER_UID });
    await world.clock.advance(5_000);
    expect(new Set(world.received.map(({ sessionID }) => sessionID))).toEqual(new Set([OTHER_UID]));
  });

  test("not even what was under way when the key was exchanged", async () => {
    const world = await new World().start();
    world.answer(accepting);
    await world.hello();
    const value = new Map([["token", Buffer.from("correct-horse")]]);
    world.values = {
      read: async () => {
        await edit(world, { publicKey: TOKEN_KEY.publicKey });
        return value;
      },
    };
    const valueFrom = { secretKeyRef: { name: "login", key: "token", optional: false } };
    const env = [{ name: "TOKEN", value: "", valueFrom }];
    world.commands.put(edgeCommand({ spec: { env } }));
    await world.clock.advance(5_000);
    expect(world.node()?.conditions).toContainEqual(
      expect.objectContaining({ type: "Ready", status: "False" }),
    );
    expect(world.received).toEqual([]);
  });

  test("nor does a controller that starts then take over that it was there", async () => {
    const world = new World();
    await world.declare();
    const node = world.nodes.get(NODE);
    if (node === undefined) throw new Error("there is no node");
    await world.nodes.updateStatus(node, {
      ...node.status,
      session: { id: SESSION_ID, since: timestampOf(world.clock.now()) },
      ledgerID: LEDGER_ID,
      identity: { publicKey: TOKEN_KEY.publicKey, sealingKey: SEALING_KEY },
      conditions: [
        {
          type: "Ready",
          status: "True",
          reason: "Heartbeat",
          message: "",
          lastTransitionTime: timestampOf(world.clock.now()),
        },
      ],
    });
    world.answer(accepting);
    world.commands.put(edgeCommand());
    await world.start();
    await world.clock.advance(5_000);
    expect(world.received).toEqual([]);
  });
});

describe("what else is not signed by the node's key", () => {
  test("a result gets no receipt and is not recorded", async () => {
    const world = await new World().start();
    await world.hello();
    world.commands.put(edgeCommand());
    await settle();
    world.signers = STRANGER;
    expect(await world.result(runReport(edgeCommand()))).toBeUndefined();
    expect(world.status()?.run?.outcome).toBeUndefined();
  });

  test("nor is a result that the node has signed under another's name", async () => {
    const world = await new World().start();
    await world.hello();
    world.commands.put(edgeCommand());
    await settle();
    const report = { ...runReport(edgeCommand()), node: "ship2" };
    expect(await world.result(report)).toMatchObject({ receipt: "refused" });
    expect(world.status()?.run?.outcome).toBeUndefined();
  });

  test("nor is a result on a command of another namespace, where a node of that name is another", async () => {
    const world = await new World().start();
    await world.hello();
    const { metadata, ...rest } = edgeCommand();
    const command = { ...rest, metadata: { ...metadata, namespace: "other" } };
    world.commands.put(command);
    await settle();
    expect(await world.result(runReport(command))).toMatchObject({ receipt: "refused" });
    const { run } = world.commands.get("other/uptime")?.status ?? {};
    expect(run?.outcome).toBeUndefined();
  });

  test("an acknowledgement of a withdrawal ends nothing", async () => {
    const world = await new World().start();
    world.answer(accepting);
    await world.hello();
    world.commands.put(edgeCommand());
    await world.clock.advance(10);
    world.signers = STRANGER;
    world.commands.remove(KEY);
    await world.clock.advance(5_000);
    expect(world.withdrawals.length).toBeGreaterThan(1);
  });

  test("an acknowledgement counts for nothing", async () => {
    const world = await new World().start();
    world.answer(accepting);
    await world.hello();
    world.signers = STRANGER;
    world.commands.put(edgeCommand());
    await world.clock.advance(5_000);
    expect(world.received.length).toBeGreaterThan(0);
    expect(world.status()).toMatchObject({ phase: "Sent", run: { reason: "MalformedAck" } });
    expect(world.events.map(({ reason }) => reason)).toContain("UntrustedMessage");
  });

  test("an error is not told", async () => {
    const world = await new World().start();
    await world.hello();
    const error = {
      namespace: "default",
      node: "ship1",
      process: "x",
      severity: "error",
      message: "m",
    } as const;
    const publish = (signedAt: number, signers = world.signers): void => {
      const event = { ...error, signedAt: timestampOf(signedAt) };
      world.ship.publish(
        eventSubject("ship1", "error"),
        encodeMessage(errorEventMessage, event, signers),
      );
    };
    publish(world.clock.now(), STRANGER);
    publish(world.clock.now() - 61_000);
    await settle();
    expect(world.events.map(({ reason }) => reason)).not.toContain("AgentError");
    publish(world.clock.now());
    expect(world.events.map(({ reason }) => reason)).toContain("AgentError");
    const told = (): number => world.events.filter(({ reason }) => reason === "AgentError").length;
    for (let i = 0; i < 100; i += 1) publish(world.clock.now());
    await settle();
    expect(told()).toBe(10);
    await world.clock.advance(60_000);
    publish(world.clock.now());
    await settle();
    expect(told()).toBe(11);
  });
});

describe("a hello", () => {
  test("is answered with the time, the cluster and the command keys, also when it is refused", async () => {
    const world = await new World().start();
    const told = { time: expect.any(String), clusterID: expect.any(String) };
    expect(await world.hello()).toMatchObject({
      ...told,
      accepted: true,
      commandKeys: COMMAND_KEYS,
    });
    expect(await world.hello({ namespace: "other" })).toMatchObject({
      ...told,
      accepted: false,
      commandKeys: COMMAND_KEYS,
    });
  });

  test.each([
    ["that does not say when it was said", undefined],
    ["that is a minute old", -60_001],
    ["that is of the future", 60_001],
  ])("%s only learns the time", async (_, offsetMs) => {
    const world = await new World().start();
    await world.declare();
    const { signedAt: now = "", ...hello } = world.helloOf();
    const dated =
      offsetMs === undefined
        ? hello
        : { ...hello, signedAt: timestampOf(Date.parse(now) + offsetMs) };
    expect(await world.say(dated)).toMatchObject({ accepted: false, reason: "Stale" });
    expect(world.nodes.get(NODE)?.status.session).toBeUndefined();
    expect(await world.say({ ...hello, signedAt: now })).toMatchObject({ accepted: true });
  });

  test("that is repeated is answered and changes nothing", async () => {
    const world = await new World().start();
    const first = world.helloOf();
    await world.declare();
    await world.say(first);
    await world.hello({ agentVersion: "0.2.0" });
    expect(await world.say(first)).toMatchObject({ accepted: true });
    expect(world.nodes.get(NODE)?.status.agentVersion).toBe("0.2.0");
  });

  test("tells what secrets are sealed to, which a later controller knows from the EdgeNode", async () => {
    const world = await new World().start();
    await world.hello({ trustSerial: 3 });
    expect(world.node()?.identity).toEqual({
      publicKey: expect.stringMatching(/^U/),
      sealingKey: SEALING_KEY,
      trustSerial: 3,
    });
  });
});

async function twins(): Promise<World> {
  const world = await new World().start();
  world.answer(accepting);
  await world.hello();
  await world.clock.advance(20_000);
  await world.hello({ sessionID: OTHER_UID });
  await world.clock.advance(20_000);
  return world;
}

describe("two agents with one key", () => {
  test("are both refused, told of, and sent nothing", async () => {
    const world = await twins();
    expect(await world.hello()).toMatchObject({ reason: "IdentityConflict" });
    expect(await world.hello({ sessionID: OTHER_UID })).toMatchObject({
      reason: "IdentityConflict",
    });
    world.commands.put(edgeCommand());
    await world.clock.advance(10_000);
    expect(world.received).toEqual([]);
    expect(world.status()).toMatchObject({ run: { reason: "NodeIdentityConflict" } });
    expect(conditionsOf(world)).toContainEqual(
      expect.objectContaining({ type: "Stalled", status: "True", reason: "IdentityConflict" }),
    );
    expect(world.events.map(({ reason }) => reason)).toContain("IdentityConflict");
  });

  test("are forgotten with their EdgeNode", async () => {
    const world = await twins();
    await world.hello();
    world.nodes.remove(NODE);
    expect(await world.hello()).toMatchObject({ accepted: true });
  });

  test("are one again when only one is heard, which is then sent what waited", async () => {
    const world = await twins();
    await world.hello();
    world.commands.put(edgeCommand());
    await world.helloFor(GRACE_MS + 60_000);
    expect(world.received[0]).toMatchObject({ sessionID: SESSION_ID });
    expect(conditionsOf(world)).not.toContainEqual(expect.objectContaining({ type: "Stalled" }));
  });
});

describe("a node that is disabled", () => {
  test("is refused and sent nothing until it is enabled again", async () => {
    const world = await new World().start();
    world.answer(accepting);
    await world.hello();
    await edit(world, { disabled: true });
    expect(await world.hello()).toMatchObject({ accepted: false, reason: "NotRegistered" });
    world.commands.put(edgeCommand());
    await world.clock.advance(5_000);
    expect(world.received).toEqual([]);
    expect(world.status()).toMatchObject({ run: { reason: "NodeDisabled" } });
    expect(conditionsOf(world)).toContainEqual(
      expect.objectContaining({ type: "Ready", status: "False", reason: "Disabled" }),
    );
    await edit(world, { disabled: false });
    await world.hello();
    await world.clock.advance(5_000);
    expect(world.received.length).toBeGreaterThan(0);
  });

  test("is refused also where nothing is signed", async () => {
    const world = await new World({ security: "insecure" }).start();
    await world.hello();
    await edit(world, { disabled: true });
    expect(await world.hello()).toMatchObject({ accepted: false, reason: "NotRegistered" });
  });
});

test("where nothing is signed, each EdgeNode says so", async () => {
  const world = await new World({ security: "insecure" }).start();
  await world.hello();
  expect(conditionsOf(world)).toContainEqual(
    expect.objectContaining({ type: "Insecure", status: "True" }),
  );
  expect(await world.hello()).not.toHaveProperty("commandKeys");
});

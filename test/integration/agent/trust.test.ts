import { afterEach, beforeEach, expect, test } from "vitest";
import { IdentityDirectory } from "../../../src/agent/identity-directory.ts";
import { NodeIdentity } from "../../../src/agent/node-identity.ts";
import { serialiseNodeTrust } from "../../../src/identity/node-trust.ts";
import { signerOf } from "../../../src/identity/signatures.ts";
import { commandMessage } from "../../../src/protocol/command.ts";
import { encodeMessage } from "../../../src/protocol/envelope.ts";
import type { Signer } from "../../../src/protocol/signature.ts";
import { commandSubject } from "../../../src/protocol/subjects.ts";
import type { Ack } from "../../../src/protocol/ack.ts";
import {
  CONTROLLER_KEY,
  CONTROLLER_SIGNERS,
  NODE_KEY,
  TOKEN_KEY,
} from "../../support/test-keys.ts";
import { CLUSTER_ID, command } from "../../unit/agent/controller-side.ts";
import { eventually, World, type RunningAgent } from "./world.ts";

/** One that controllers will have, and that the node does not know yet. */
const NEXT_KEY = TOKEN_KEY;
const NEXT_SIGNERS = [signerOf(NEXT_KEY)];

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Offers a command that writes a line to the file `ran`. */
function offer(signers: readonly Signer[]): Promise<Ack> {
  const name = world.name();
  const work = { args: [`echo ${name} >> ${world.path("ran")}`] };
  const offered = command({ name, work, sessionID: world.controller.session });
  const data = encodeMessage(commandMessage, offered, signers);
  return world.controller.ask(commandSubject("ship1", "shellcommand"), data);
}

/** An agent with an identity on its disk, as one that has joined. */
async function startJoined(): Promise<RunningAgent> {
  const directory = new IdentityDirectory(world.dataDir);
  await directory.write("node.seed", NODE_KEY.seed);
  if ((await directory.read("trust.json")) === undefined) {
    const commandKeys = { serial: 1, keys: [CONTROLLER_KEY.publicKey] };
    const where = { servers: ["tls://broker"], ca: "CA", enrollmentJwt: "e.e.e" };
    const who = { node: "ship1", namespace: "default", clusterID: CLUSTER_ID };
    await directory.write("trust.json", serialiseNodeTrust({ ...where, ...who, commandKeys }));
  }
  const identity = await NodeIdentity.open(directory);
  if (identity === undefined) throw new Error("it has not joined");
  const { signers, sealingKey, trust } = identity;
  const learn = identity.learn.bind(identity);
  const security = { signers, sealingKey, trust, learn };
  return world.startReadyAgent({ security, helloIntervalMs: 200 });
}

test.each([
  ["nobody", []],
  ["a stranger", [signerOf(TOKEN_KEY)]],
])("a command that %s has signed is not run, and people hear of it", async (_, signers) => {
  await world.startReadyAgent();
  expect(await offer(signers)).toMatchObject({ answer: "refused", reason: "Untrusted" });
  expect(world.controller.errors).toMatchObject([
    { node: "ship1", process: "inbox", severity: "warning", signedAt: expect.any(String) },
  ]);
  expect(await offer(CONTROLLER_SIGNERS)).toMatchObject({ answer: "accepted" });
  await eventually(() => expect(world.controller.results).toHaveLength(1));
  expect(world.lines("ran")).toEqual(["task-2"]);
  expect(world.statesOnDisk().size).toBe(1);
});

test("the keys of controllers change under way, and the old ones are of no use any more", async () => {
  const agent = await startJoined();
  expect(await offer(NEXT_SIGNERS)).toMatchObject({ reason: "Untrusted" });
  const { helloReply } = world.controller;
  world.controller.helloReply = (hello) => {
    const reply = helloReply(hello);
    const commandKeys = { serial: 2, keys: [CONTROLLER_KEY.publicKey, NEXT_KEY.publicKey] };
    return reply === undefined ? undefined : { ...reply, commandKeys };
  };
  await eventually(async () => {
    expect(await offer(NEXT_SIGNERS)).toMatchObject({ answer: "accepted" });
  });
  expect(await offer(CONTROLLER_SIGNERS)).toMatchObject({ answer: "accepted" });
  world.controller.helloReply = (hello) => {
    const reply = helloReply(hello);
    const commandKeys = { serial: 3, keys: [NEXT_KEY.publicKey] };
    return reply === undefined ? undefined : { ...reply, commandKeys };
  };
  await eventually(async () => {
    expect(await offer(CONTROLLER_SIGNERS)).toMatchObject({ reason: "Untrusted" });
  });
  await agent.stop();
  world.controller.signers = NEXT_SIGNERS;
  await startJoined();
  expect(await offer(CONTROLLER_SIGNERS)).toMatchObject({ reason: "Untrusted" });
  expect(await offer(NEXT_SIGNERS)).toMatchObject({ answer: "accepted" });
});

test("a node that has joined obeys no other cluster, not even in its first hello", async () => {
  const clusterID = "c2c2c2c2-0000-4000-8000-000000000002";
  await world.startReadyAgent({ clusterID });
  expect(world.controller.hellos[0]).toMatchObject({ clusterID });
  await eventually(() =>
    expect(world.log.map(({ message }) => message)).toContainEqual(
      expect.stringContaining(`this node belongs to ${clusterID}`),
    ),
  );
  expect(await offer(CONTROLLER_SIGNERS)).toMatchObject({ reason: "NotReady" });
});

test("a ledger of another cluster's node is not used, and the controller hears why", async () => {
  const first = await world.startReadyAgent();
  await eventually(async () => {
    expect(await offer(CONTROLLER_SIGNERS)).toMatchObject({ answer: "accepted" });
  });
  await first.stop();
  const other = await world.startAgent({ clusterID: "c2c2c2c2-0000-4000-8000-000000000002" });
  await expect(other.ended).rejects.toThrow(`remove ${world.dataDir}`);
  expect(world.controller.errors).toMatchObject([{ process: "ledger", severity: "fatal" }]);
});

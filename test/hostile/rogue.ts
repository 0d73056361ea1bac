import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { mintNodeCredentials } from "../../dev/controlplane/nats-access.ts";
import { newKeyPair, type KeyPair } from "../../src/identity/key-pair.ts";
import { newSealingKey } from "../../src/identity/sealing.ts";
import { signerOf } from "../../src/identity/signatures.ts";
import { encodeMessage } from "../../src/protocol/envelope.ts";
import { helloMessage, type Hello } from "../../src/protocol/hello.ts";
import { resultMessage, type Result } from "../../src/protocol/result.ts";
import { eventSubject, nodeInbox, type EventName } from "../../src/protocol/subjects.ts";
import { systemClock as clock, timestampOf } from "../../src/runtime/clock.ts";
import { OURS, until, type FleetWorld } from "./fleet-world.ts";
import { frameOf, type Said } from "./frame.ts";
import { connectAs, mintMaster } from "./nats-users.ts";
import { probeRights } from "./probes.ts";
import type { Tally } from "./tally.ts";
import { replyIn, takenBy } from "./wire.ts";

const ROGUE = "rogue";
const VICTIM = "ship1";
const EVENTS: readonly EventName[] = ["hello", "result", "error", "enroll"];
const SETTLE_MS = 500;
const FLOOD = 20_000;
const LARGE_ONES = 40;
const LARGE_BYTES = 1_000_000;

/** A node of the fleet with valid credentials of its own, which are in the wrong hands. */
export async function tryRogueNode(
  world: FleetWorld,
  corpus: readonly Said[],
  tally: Tally,
): Promise<void> {
  const key = newKeyPair("user");
  const node = { apiVersion: "steward.dev/v1alpha1", kind: "EdgeNode", metadata: { name: ROGUE } };
  await world.kubectl(
    ["apply", "-n", OURS, "-f", "-"],
    JSON.stringify({ ...node, spec: { publicKey: key.publicKey } }),
  );
  const credentials = await mintNodeCredentials(world.keysDir, ROGUE, { key });
  const address = { url: world.plane.natsUrl, ca: world.access.ca };
  const connection = await connectAs(address, credentials, nodeInbox(ROGUE));
  await helloIsAccepted(connection, key);
  tally.add("rogue node: is a node of the fleet");
  await injectReplies(world, { connection, key }, tally);
  await forgeOthers(world, { key, corpus }, tally);
  await forgeResult(world, { connection, key }, tally);
  await probeRights(
    connection,
    { node: ROGUE, other: VICTIM, sleep: (ms) => clock.sleep(ms) },
    tally,
  );
  await flood(connection, tally);
  await connection.close();
  await world.kubectl(["delete", "en", ROGUE, "-n", OURS]);
}

interface Rogue {
  readonly connection: NatsConnection;
  readonly key: KeyPair;
}

function helloOf(key: KeyPair, hello: Partial<Hello> = {}): Uint8Array {
  const sessionID = randomUUID();
  const said: Hello = {
    namespace: OURS,
    node: ROGUE,
    sessionID,
    sequence: 1,
    signedAt: timestampOf(clock.now()),
    sealingKey: newSealingKey().publicKey,
    trustSerial: 1,
    bootID: sessionID,
    ledgerID: "dddddddd-0000-4000-8000-00000000dddd",
    ledgerCounter: 0,
    agentVersion: "0.0.0",
    protocol: { min: 1, max: 1 },
    methods: ["shellcommand"],
    facts: { os: "", arch: "", kernel: "", hostname: "" },
    runs: [],
    runsWithoutReceipt: 0,
    ...hello,
  };
  return encodeMessage(helloMessage, said, [signerOf(key)]);
}

async function helloIsAccepted(connection: NatsConnection, key: KeyPair): Promise<void> {
  await until("the rogue's hello is accepted", async () => {
    const reply = await connection
      .request(eventSubject(ROGUE, "hello"), helloOf(key), { timeout: 2_000 })
      .catch(() => undefined);
    return reply !== undefined && takenBy(replyIn(reply.data)) !== undefined;
  });
}

/** The broker takes any reply subject from whoever may publish: it is on the receiver not to answer there. */
async function injectReplies(
  world: FleetWorld,
  { connection, key }: Rogue,
  tally: Tally,
): Promise<void> {
  const mark = randomUUID();
  const targets = [
    `${VICTIM}.command.ping`,
    `${VICTIM}.command.shellcommand`,
    `${VICTIM}.event.hello`,
    `${VICTIM}.${mark}`,
    `_INBOX_${VICTIM}.${mark}.1`,
    `_INBOX_CONTROLLER.${mark}.1`,
    `_INBOX.${mark}`,
    `_INBOX_${ROGUE}`,
    `_INBOX_${ROGUE}x.${mark}`,
    `_INBOX_${ROGUE.toUpperCase()}.${mark}`,
    `${ROGUE}.command.ping`,
    `${ROGUE}.event.hello`,
    `${ROGUE}.event.result`,
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.REQ.CLAIMS.DELETE",
    `$SYS.REQ.ACCOUNT.${world.access.account}.CLAIMS.LOOKUP`,
    "$JS.API.STREAM.CREATE.x",
    "$JS.API.INFO",
    "$JS.ACK.x.y.1.1.1.1.1",
    `_R_.${mark}`,
  ];
  const before = world.heard.length;
  const said = [helloOf(key), Buffer.from("junk"), new Uint8Array()];
  for (const reply of targets) {
    for (const event of EVENTS)
      for (const data of said) connection.publish(eventSubject(ROGUE, event), data, { reply });
  }
  await connection.flush();
  // What comes after it is answered after it.
  await helloIsAccepted(connection, key);
  await clock.sleep(SETTLE_MS);
  const answers = world.heard
    .slice(before)
    .filter(({ subject, data }) => isAnswer(data) && targets.includes(subject));
  const tried = targets.length * EVENTS.length * said.length;
  tally.addMany(
    "rogue node: has the controller answer elsewhere",
    tried,
    answers.map(({ subject }) => subject),
  );
}

function isAnswer(data: Uint8Array): boolean {
  try {
    return /\.(hello-reply|receipt|enroll-reply)\.v/.test(frameOf(data).payloadType);
  } catch {
    return false;
  }
}

/** With the help of the broker, which says on the victim's subjects what the rogue has signed. */
async function forgeOthers(
  world: FleetWorld,
  { key, corpus }: { readonly key: KeyPair; readonly corpus: readonly Said[] },
  tally: Tally,
): Promise<void> {
  const ours = corpus.filter(({ subject }) => subject.startsWith(`${VICTIM}.event.`)).slice(-40);
  const forged = ours.flatMap(({ subject, data }) => {
    const frame = frameOf(data);
    const payload = Buffer.from(frame.payload, "base64");
    const type = {
      name: frame.payloadType.replace(/^.*steward\.|\.v1.*$/g, ""),
      version: 1,
      schema: helloMessage.schema,
    };
    const message = JSON.parse(payload.toString()) as Hello;
    return [{ subject, data: encodeMessage(type, message, [signerOf(key)]) }];
  });
  forged.push({
    subject: eventSubject(VICTIM, "hello"),
    data: helloOf(key, { sequence: 1_000_000 }),
  });
  for (const { subject, data } of forged) {
    const reply = await world.master
      .request(subject, data, {
        timeout: SETTLE_MS,
        noMux: true,
        reply: `_INBOX_${VICTIM}.forged.${randomUUID()}`,
      })
      .catch(() => undefined);
    const taken = reply === undefined ? undefined : takenBy(replyIn(reply.data));
    tally.add(
      `rogue node: speaks as another with the broker's help`,
      taken && `${subject}: ${taken}`,
    );
  }
}

/** The outcome of what another node is running just now. */
async function forgeResult(
  world: FleetWorld,
  { connection, key }: Rogue,
  tally: Tally,
): Promise<void> {
  await world.apply("victim", VICTIM, "sleep 3");
  const status = async (): Promise<string> =>
    world.kubectl(["get", "ec", "victim", "-n", OURS, "-o", "json"]);
  await until("the victim's command runs", async () =>
    (await status()).includes('"phase": "Running"'),
  );
  const { metadata, status: now } = JSON.parse(await status()) as {
    metadata: { uid: string; generation: number };
    status: { run: { id: string; revision: string } };
  };
  const result: Result = {
    namespace: OURS,
    name: "victim",
    uid: metadata.uid,
    runID: now.run.id,
    generation: metadata.generation,
    declared: 1,
    epoch: 0,
    revision: now.run.revision,
    rerun: "",
    state: "Finished",
    attempts: 1,
    adopted: false,
    acceptedAt: timestampOf(clock.now()),
    clusterID: await clusterID(world),
    node: ROGUE,
    result: {
      outcome: "Failed",
      started: "True",
      exitCode: 1,
      finishedAt: timestampOf(clock.now()),
      reason: "ExitCode",
      message: "forged",
    },
  };
  for (const forged of [result, { ...result, node: VICTIM }]) {
    const data = encodeMessage(resultMessage, forged, [signerOf(key)]);
    await connection
      .request(eventSubject(ROGUE, "result"), data, { timeout: SETTLE_MS })
      .catch(() => undefined);
  }
  const { phase } = await world.completed("victim");
  const isForged = phase !== "Succeeded" || (await status()).includes("forged");
  tally.addMany("rogue node: ends another's command", 2, isForged ? [await status()] : []);
}

/** With rights that the account's own key has signed, and as nobody that the controller knows. */
export async function comeUninvited(world: FleetWorld, tally: Tally): Promise<void> {
  const { natsUrl: url } = world.plane;
  const credentials = await mintMaster(world.keysDir, newKeyPair("user"));
  const connection = await connectAs({ url, ca: world.access.ca }, credentials);
  await until("whoever is no node is thrown out", () => connection.isClosed());
  tally.add("rogue node: stays although the controller does not know it");
}

async function clusterID(world: FleetWorld): Promise<string> {
  return world.kubectl(["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
}

async function flood(connection: NatsConnection, tally: Tally): Promise<void> {
  const large = Buffer.alloc(LARGE_BYTES, "[");
  for (let sent = 0; sent < LARGE_ONES; sent += 1) {
    for (const event of EVENTS)
      connection.publish(eventSubject(ROGUE, event), large, { reply: `${nodeInbox(ROGUE)}.a.1` });
    await connection.flush();
  }
  for (let sent = 0; sent < FLOOD; sent += EVENTS.length) {
    for (const event of EVENTS)
      connection.publish(eventSubject(ROGUE, event), `junk ${sent}`, {
        reply: `${nodeInbox(ROGUE)}.a.1`,
      });
    if (sent % 1_000 === 0) await connection.flush();
  }
  await connection.flush();
  tally.addMany("rogue node: floods", FLOOD + LARGE_ONES * EVENTS.length);
}

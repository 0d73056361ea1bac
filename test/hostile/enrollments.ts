import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { newKeyPair, type KeyPair } from "../../src/identity/key-pair.ts";
import { signerOf } from "../../src/identity/signatures.ts";
import { enrollMessage, type Enroll } from "../../src/protocol/enroll.ts";
import { encodeMessage } from "../../src/protocol/envelope.ts";
import { ENROLLMENT_INBOX, eventSubject } from "../../src/protocol/subjects.ts";
import { systemClock as clock, timestampOf } from "../../src/runtime/clock.ts";
import { OURS, THEIR_NODE, type FleetWorld } from "./fleet-world.ts";
import { connectAs } from "./nats-users.ts";
import type { Tally } from "./tally.ts";
import { replyIn, takenBy } from "./wire.ts";

const HOUR_MS = 3_600_000;
const TIMEOUT_MS = 1_500;
const ATTACK = "enrollment";

interface Attempt {
  readonly what: string;
  readonly request: Partial<Enroll> & Pick<Enroll, "node" | "publicKey">;
  readonly signers: readonly KeyPair[];
  /** The node whose subject it is said on; the one of the request unless told. */
  readonly subject?: string;
}

/** Whoever may ask to be enrolled, which is everybody, asks for what is not his. */
export async function tryEnrollments(world: FleetWorld, tally: Tally): Promise<void> {
  const tokens = { joiner: newKeyPair("user"), late: newKeyPair("user"), off: newKeyPair("user") };
  await declare(world, "joiner", { enrollment: tokenOf(tokens.joiner, HOUR_MS) });
  await declare(world, "late", { enrollment: tokenOf(tokens.late, -1_000) });
  await declare(world, "off", { enrollment: tokenOf(tokens.off, HOUR_MS), disabled: true });
  const { natsUrl: url } = world.plane;
  const { ca, enrollment } = world.access;
  const connection = await connectAs({ url, ca }, enrollment, ENROLLMENT_INBOX);
  const [own, thief] = [newKeyPair("user"), newKeyPair("user")];
  const before = attemptsBefore(tokens, own);
  await Promise.all(before.map((attempt) => expectRefusal(connection, attempt, tally)));
  const good = {
    what: "a good token",
    request: withToken("joiner", own, tokens.joiner),
    signers: [own, tokens.joiner],
  };
  const isEnrolled = takenBy(await ask(connection, good)) !== undefined;
  tally.add(`${ATTACK}: a good token`, isEnrolled ? undefined : "it is refused");
  const after = attemptsAfter(tokens.joiner, own, thief);
  await Promise.all(after.map((attempt) => expectRefusal(connection, attempt, tally)));
  await connection.close();
}

function attemptsBefore(
  tokens: Record<"joiner" | "late" | "off", KeyPair>,
  own: KeyPair,
): Attempt[] {
  const { joiner, late, off } = tokens;
  const stranger = newKeyPair("user");
  return [
    { what: "no token", request: { node: "joiner", publicKey: own.publicKey }, signers: [own] },
    {
      what: "a token that nobody made",
      request: withToken("joiner", own, stranger),
      signers: [own, stranger],
    },
    {
      what: "the token of another node",
      request: withToken("joiner", own, late),
      signers: [own, late],
    },
    {
      what: "a token for a node that is enrolled",
      request: withToken("ship1", own, joiner),
      signers: [own, joiner],
    },
    {
      what: "a token for another namespace's node",
      request: withToken(THEIR_NODE, own, joiner),
      signers: [own, joiner],
    },
    {
      what: "a token for a node that there is not",
      request: withToken("nobody", own, joiner),
      signers: [own, joiner],
    },
    {
      what: "a token that has expired",
      request: withToken("late", own, late),
      signers: [own, late],
    },
    {
      what: "a token of a node that is disabled",
      request: withToken("off", own, off),
      signers: [own, off],
    },
    {
      what: "a token that is named but does not sign",
      request: withToken("joiner", own, joiner),
      signers: [own],
    },
    {
      what: "a token that signs but is not named",
      request: { node: "joiner", publicKey: own.publicKey },
      signers: [own, joiner],
    },
    {
      what: "a key that does not sign",
      request: withToken("joiner", own, joiner),
      signers: [joiner],
    },
    {
      what: "the token's own key",
      request: { ...withToken("joiner", joiner, joiner) },
      signers: [stranger],
    },
    { what: "nothing signed", request: withToken("joiner", own, joiner), signers: [] },
    {
      what: "another cluster",
      request: { ...withToken("joiner", own, joiner), clusterID: randomUUID() },
      signers: [own, joiner],
    },
    {
      what: "another namespace",
      request: { ...withToken("joiner", own, joiner), namespace: "default" },
      signers: [own, joiner],
    },
    {
      what: "another node's subject",
      request: withToken("joiner", own, joiner),
      signers: [own, joiner],
      subject: "ship1",
    },
    {
      what: "a key of a node that is enrolled",
      request: { node: "ship1", publicKey: own.publicKey },
      signers: [own],
    },
  ];
}

function attemptsAfter(token: KeyPair, own: KeyPair, thief: KeyPair): Attempt[] {
  return [
    {
      what: "a used token and another key",
      request: withToken("joiner", thief, token),
      signers: [thief, token],
    },
    {
      what: "a used token and a key that does not sign",
      request: withToken("joiner", own, token),
      signers: [thief, token],
    },
    {
      what: "another key without a token",
      request: { node: "joiner", publicKey: thief.publicKey },
      signers: [thief],
    },
  ];
}

function withToken(node: string, key: KeyPair, token: KeyPair): Attempt["request"] {
  return { node, publicKey: key.publicKey, token: token.publicKey };
}

async function expectRefusal(
  connection: NatsConnection,
  attempt: Attempt,
  tally: Tally,
): Promise<void> {
  tally.add(`${ATTACK}: ${attempt.what}`, takenBy(await ask(connection, attempt)));
}

/** What is answered; undefined for silence. */
async function ask(connection: NatsConnection, attempt: Attempt): Promise<unknown> {
  const { request, signers, subject = request.node } = attempt;
  const message = { namespace: OURS, nonce: randomUUID(), ...request };
  const data = encodeMessage(enrollMessage, message, signers.map(signerOf));
  try {
    const reply = await connection.request(eventSubject(subject, "enroll"), data, {
      timeout: TIMEOUT_MS,
    });
    return replyIn(reply.data);
  } catch {
    return undefined;
  }
}

function tokenOf({ publicKey }: KeyPair, lifeMs: number): object {
  return { publicKey, expiresAt: timestampOf(clock.now() + lifeMs) };
}

async function declare(world: FleetWorld, name: string, spec: object): Promise<void> {
  const node = { apiVersion: "steward.dev/v1alpha1", kind: "EdgeNode", metadata: { name }, spec };
  await world.kubectl(["apply", "-n", OURS, "-f", "-"], JSON.stringify(node));
}

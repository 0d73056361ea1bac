import { encodeUser, fromPublic, type KeyPair as NatsKeyPair } from "@nats-io/jwt";
import { fromSeed } from "@nats-io/nkeys";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readKeyFile } from "../../../dev/controlplane/nats-access.ts";
import { keyPairOf, newKeyPair, type KeyPair } from "../../../src/identity/key-pair.ts";
import { readJwt } from "../../../src/identity/user-jwt.ts";
import type { NatsCredentials } from "../../../src/nats/credentials.ts";
import { WaitingClock } from "../../support/waiting-clock.ts";
import { SecureBroker, revocationOf } from "./secure-world.ts";
import { connected, until } from "./world.ts";

let broker: SecureBroker;

beforeAll(async () => {
  broker = await SecureBroker.start();
});
afterAll(() => broker[Symbol.asyncDispose]());

/** More than the client of NATS survives by itself, which is one. */
const REFUSALS = 4;

describe("credentials that the broker refuses are tried for ever, and until they are good again", () => {
  test.each<[string, (key: KeyPair) => Promise<NatsCredentials>]>([
    ["have expired", (key) => broker.mint("ship1", { key, lifeMs: -60_000 })],
    ["are not valid yet", notYetValid],
    [
      "are those of another key",
      async (key) => ({ ...(await broker.mint("ship1")), seed: key.seed }),
    ],
    ["lack the key", async (key) => ({ jwt: (await broker.mint("ship1", { key })).jwt })],
    ["are signed by nobody known", signedByAStranger],
    ["are no JWT", async (key) => ({ jwt: "x", seed: key.seed })],
  ])("that %s", async (_what, make) => {
    const key = newKeyPair("user");
    const good = await broker.mint("ship1", { key });
    let current = await make(key);
    const refusals: string[] = [];
    await using bus = broker.node("ship1", () => current, {
      onRefused: (reason) => void refusals.push(reason),
    });
    await until(() => refusals.length >= REFUSALS);
    expect(refusals[0]).toMatch(/127\.0\.0\.1:\d+: .*Authorization Violation/);
    expect(bus.connected).toBe(false);
    current = good;
    await connected(bus);
    expect(bus.log.lines.join("\n")).not.toContain(key.seed);
  });
});

describe("a connection whose credentials", () => {
  test("expire ends, and the next has those that were renewed meanwhile", async () => {
    const key = newKeyPair("user");
    let current = await broker.mint("ship1", { key, lifeMs: 2_000 });
    const refusals: string[] = [];
    await using bus = broker.node("ship1", () => current, {
      onRefused: (reason) => void refusals.push(reason),
    });
    await connected(bus);
    current = await broker.mint("ship1", { key });
    await until(() => refusals.length > 0);
    expect(refusals[0]).toContain("User Authentication Expired");
    await connected(bus);
    expect(refusals).toHaveLength(1);
  });

  test("are revoked ends at once and stays away until there are new ones", async () => {
    await using system = broker.system();
    await connected(system);
    const account = broker.account(system);
    const key = newKeyPair("user");
    let current = await broker.mint("ship1", { key });
    const revocations = revocationOf(current);
    const refusals: string[] = [];
    const lasting = await broker.mint("ship2");
    await using other = broker.node("ship2", () => lasting);
    await using bus = broker.node("ship1", () => current, {
      onRefused: (reason) => void refusals.push(reason),
    });
    await connected(bus, other);
    await account.push(await broker.accountJwt(revocations));
    await until(() => refusals.length >= REFUSALS);
    expect(refusals[0]).toContain("User Authentication Revoked");
    expect(refusals[1]).toContain("Authorization Violation");
    expect(other.log.lines.join("\n")).not.toContain("disconnected");
    current = await mintedAfter(revocations, key);
    await connected(bus);
  });
});

test("what was revoked stays so when the broker starts again with the JWT it was made with", async () => {
  await using own = await SecureBroker.start();
  await using system = own.system();
  await connected(system);
  const preloaded = readJwt((await own.account(system).lookup()) ?? "").issuedAt;
  await until(() => Date.now() >= preloaded + 1_000);
  const credentials = await own.mint("ship1");
  await own.account(system).push(await own.accountJwt(revocationOf(credentials)));
  await own.server.component.restart();
  const refusals: string[] = [];
  await using bus = own.node("ship1", () => credentials, {
    onRefused: (reason) => void refusals.push(reason),
  });
  await until(() => refusals.length > 0);
  expect(bus.connected).toBe(false);
});

test("an attempt is made at once when somebody knows that it will fare better", async () => {
  const clock = new WaitingClock();
  const key = newKeyPair("user");
  let current = await broker.mint("ship1", { key, lifeMs: -60_000 });
  let refusals = 0;
  await using bus = broker.node("ship1", () => current, {
    clock,
    onRefused: () => (refusals += 1),
  });
  await until(() => refusals === 1 && clock.held);
  bus.dialNow();
  await until(() => refusals === 2 && clock.held);
  current = await broker.mint("ship1", { key });
  bus.dialNow();
  await connected(bus);
});

/** Credentials for the same key, late enough not to be revoked themselves. */
async function mintedAfter(
  revocations: Readonly<Record<string, number>>,
  key: KeyPair,
): Promise<NatsCredentials> {
  const revokedAt = revocations[keyPairOf(key.seed).publicKey] ?? 0;
  await until(() => Date.now() >= (revokedAt + 1) * 1_000);
  return broker.mint("ship1", { key });
}

async function notYetValid(key: KeyPair): Promise<NatsCredentials> {
  const seed = await readKeyFile(broker.keysDir, "controller/node-signing.seed");
  const nbf = Math.floor(Date.now() / 1_000) + 3_600;
  return signed(key, fromSeed(Buffer.from(seed)), { nbf });
}

async function signedByAStranger(key: KeyPair): Promise<NatsCredentials> {
  return signed(key, fromSeed(Buffer.from(newKeyPair("account").seed)));
}

async function signed(
  { publicKey, seed }: KeyPair,
  signer: NatsKeyPair,
  options: { nbf?: number } = {},
): Promise<NatsCredentials> {
  const account = fromPublic(broker.access.account);
  const encoding = { ...options, scopedUser: true, signer };
  const jwt = await encodeUser("ship1", fromPublic(publicKey), account, {}, encoding);
  return { jwt, seed };
}

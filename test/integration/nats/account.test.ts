import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keyPairOf, newKeyPair } from "../../../src/identity/key-pair.ts";
import { AccountError, NatsAccount } from "../../../src/nats/account.ts";
import type { ConnectedUser } from "../../../src/nats/account-answers.ts";
import { SecureBroker } from "./secure-world.ts";
import { broker as plainBroker, connected, openBus, type TestBus } from "./world.ts";

let broker: SecureBroker;
let system: TestBus;
let account: NatsAccount;

beforeAll(async () => {
  broker = await SecureBroker.start();
  system = broker.system();
  await connected(system);
  account = broker.account(system);
});
afterAll(async () => {
  await system.close();
  await broker[Symbol.asyncDispose]();
});

describe("the account's JWT", () => {
  test("is what the broker was handed last", async () => {
    const revoked = { [newKeyPair("user").publicKey]: 1_700_000_000 };
    const jwt = await broker.accountJwt(revoked);
    await account.push(`${jwt}\n`);
    expect(await account.lookup()).toBe(jwt);
  });

  test("is not replaced by what is none, or another's, or damaged", async () => {
    const before = await account.lookup();
    const [head, claims, signature] = (await broker.accountJwt({ "*": 1 })).split(".");
    const damaged = `${head}.${claims}.${signature?.toLowerCase()}`;
    for (const jwt of ["x", broker.access.controller.jwt, damaged]) {
      await expect(account.push(jwt)).rejects.toThrow(AccountError);
      await expect(account.push(jwt)).rejects.toThrow(/^updating the account's JWT: .*error/);
    }
    expect(await account.lookup()).toBe(before);
  });
});

test("an account that the broker does not know is not there, and may not be asked about", async () => {
  const other = new NatsAccount({
    bus: system,
    account: newKeyPair("account").publicKey,
    issuers: [],
  });
  await expect(other.lookup()).rejects.toThrow(/not allowed/);
  await expect(other.connectedUsers()).rejects.toThrow(AccountError);
});

test("whoever is connected with a key is named, however many messages that takes", async () => {
  await using stack = new AsyncDisposableStack();
  const wanted: ConnectedUser[] = [];
  for (const name of ["ship1", "ship2", "ship3", "ship4", "ship5"]) {
    const credentials = await broker.mint(name);
    wanted.push({ name, publicKey: keyPairOf(credentials.seed ?? "").publicKey });
    await connected(stack.use(broker.node(name, () => credentials)));
  }
  await connected(stack.use(broker.enrollment()));
  for (const pageSize of [1, 2, 6, 256]) {
    const users = await broker.account(system, { pageSize }).connectedUsers();
    expect(byName(users)).toEqual(byName(wanted));
  }
  const issuers = [broker.access.account];
  expect(await broker.account(system, { issuers }).connectedUsers()).toEqual([]);
});

describe("a broker that cannot be asked", () => {
  test("is one without operator mode", async () => {
    await using plain = await plainBroker();
    await using bus = openBus(plain.url);
    await connected(bus);
    const asked = new NatsAccount({ bus, account: broker.access.account, issuers: [] });
    await expect(asked.lookup()).rejects.toThrow(/operator mode/);
    await expect(asked.connectedUsers()).rejects.toThrow(AccountError);
  });

  test("is one to which there is no connection", async () => {
    await using bus = openBus("nats://127.0.0.1:1");
    const asked = new NatsAccount({ bus, account: broker.access.account, issuers: [] });
    await expect(asked.push("x")).rejects.toThrow(/no connection/);
    await expect(asked.connectedUsers()).rejects.toThrow(/no connection/);
  });
});

function byName(users: readonly ConnectedUser[]): readonly ConnectedUser[] {
  return users.toSorted((a, b) => a.name.localeCompare(b.name));
}

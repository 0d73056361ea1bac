import { expect, test } from "vitest";

import { encodeNodeJwt } from "../../../src/identity/claims.ts";
import { newKeyPair } from "../../../src/identity/key-pair.ts";
import { NatsAccount, type AccountOptions } from "../../../src/nats/account.ts";
import { NODE_KEY } from "../../support/test-keys.ts";

const account = newKeyPair("account").publicKey;
const signing = newKeyPair("account");

/** A broker that says of every page that there are more. */
function claiming(jwts: readonly string[]): AccountOptions["bus"] & { asked: number } {
  const answer = { data: { connections: jwts.map((jwt) => ({ jwt })), total: 1e12 } };
  return {
    asked: 0,
    request: () => Promise.resolve({ kind: "disconnected" }),
    requestMany() {
      this.asked += 1;
      return Promise.resolve([Buffer.from(JSON.stringify(answer))]);
    },
  };
}

test("users that nobody has signed are not believed in, and a broker that has ever more is left", async () => {
  const claims = { node: "ship1", publicKey: NODE_KEY.publicKey, account, expiresAt: 4e12 };
  const genuine = await encodeNodeJwt(claims, signing);
  const invented = await encodeNodeJwt(claims, newKeyPair("account"));
  const [head, payload] = genuine.split(".");
  const bus = claiming([invented, `${head}.${payload}.AA`]);
  const issuers = [account, signing.publicKey];
  expect(await new NatsAccount({ bus, account, issuers }).connectedUsers()).toEqual([]);
  expect(bus.asked).toBeLessThan(10_000);

  const [user] = await new NatsAccount({
    bus: claiming([genuine]),
    account,
    issuers,
  }).connectedUsers();
  expect(user).toEqual({ name: "ship1", publicKey: NODE_KEY.publicKey });
});

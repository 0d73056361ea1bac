import { describe, expect, test } from "vitest";

import { isSameAccount, revocationsIn } from "../../../src/identity/account-jwt.ts";
import { encodeFleetAccountJwt } from "../../../src/identity/claims.ts";
import { newKeyPair } from "../../../src/identity/key-pair.ts";
import { NODE_KEY } from "../../support/test-keys.ts";

const operator = newKeyPair("operator");
const account = newKeyPair("account").publicKey;
const nodeSigningKey = newKeyPair("account").publicKey;

function jwtOf(
  revocations: Readonly<Record<string, number>>,
  overrides: { readonly account?: string; readonly nodeSigningKey?: string } = {},
): Promise<string> {
  const claims = { account, nodeSigningKey, revocations, ...overrides };
  return encodeFleetAccountJwt(claims, operator);
}

describe("the JWT of the account", () => {
  test("tells what is revoked", async () => {
    const revocations = { [NODE_KEY.publicKey]: 1_800_000_000 };
    expect(revocationsIn(await jwtOf(revocations))).toEqual(revocations);
    expect(revocationsIn(await jwtOf({}))).toEqual({});
  });

  test("is the same whatever is revoked, and whenever it was made", async () => {
    expect(isSameAccount(await jwtOf({}), await jwtOf({ [NODE_KEY.publicKey]: 1 }))).toBe(true);
  });

  test("is another with other keys, or signed by somebody else", async () => {
    const own = await jwtOf({});
    const key = newKeyPair("account").publicKey;
    expect(isSameAccount(own, await jwtOf({}, { account: key }))).toBe(false);
    expect(isSameAccount(own, await jwtOf({}, { nodeSigningKey: key }))).toBe(false);
    const claims = { account, nodeSigningKey, revocations: {} };
    const other = await encodeFleetAccountJwt(claims, newKeyPair("operator"));
    expect(isSameAccount(own, other)).toBe(false);
  });

  test.each(["", "x", "a.b.c", "e30.bnVsbA.x"])("that is none, as %j, revokes nothing", (text) => {
    expect(revocationsIn(text)).toEqual({});
  });
});

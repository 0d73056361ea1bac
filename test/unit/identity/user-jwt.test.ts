import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import { encodeFleetAccountJwt, encodeNodeJwt } from "../../../src/identity/claims.ts";
import { newKeyPair } from "../../../src/identity/key-pair.ts";
import { InvalidJwtError, isGenuineJwt, readJwt } from "../../../src/identity/user-jwt.ts";

const [account, signer, node] = [newKeyPair("account"), newKeyPair("account"), newKeyPair("user")];
const EXPIRES = Date.parse("2030-01-01T00:00:00Z");
let jwt: string;

beforeAll(async () => {
  const claims = { node: "ship1", publicKey: node.publicKey, account: account.publicKey };
  jwt = await encodeNodeJwt({ ...claims, expiresAt: EXPIRES + 999 }, signer);
});

describe("a JWT", () => {
  test("is read: whose it is, who made it, until when it is good", () => {
    const facts = readJwt(`${jwt}\n`);
    expect(facts).toEqual({
      name: "ship1",
      subject: node.publicKey,
      issuer: signer.publicKey,
      issuerAccount: account.publicKey,
      signingKeys: [],
      issuedAt: facts.issuedAt,
      expiresAt: EXPIRES,
    });
    expect(facts.issuedAt % 1_000).toBe(0);
    expect(Math.abs(facts.issuedAt - Date.now())).toBeLessThan(3_600_000);
  });

  test("of an account names who signs for it", async () => {
    const operator = newKeyPair("operator");
    const claims = { account: account.publicKey, nodeSigningKey: signer.publicKey };
    const accountJwt = await encodeFleetAccountJwt({ ...claims, revocations: {} }, operator);
    expect(readJwt(accountJwt).signingKeys).toEqual([signer.publicKey]);
    expect(isGenuineJwt(accountJwt)).toBe(true);
  });

  test("is genuine as its issuer signed it, and not with any other character", () => {
    expect(isGenuineJwt(jwt)).toBe(true);
    expect(isGenuineJwt(`${jwt}.x`)).toBe(false);
    // The last character has bits that stand for nothing.
    fc.assert(
      fc.property(fc.nat(jwt.length - 2), fc.constantFrom("A", "Z", "-", "."), (at, other) => {
        fc.pre(jwt[at] !== other);
        expect(isGenuineJwt(jwt.slice(0, at) + other + jwt.slice(at + 1))).toBe(false);
      }),
    );
  });

  test.each(["", "a", "a.b.c", "..", "e30.e30.e30", "e30.bnVsbA.e30"])("%j is none", (text) => {
    expect(() => readJwt(text)).toThrow(InvalidJwtError);
    expect(isGenuineJwt(text)).toBe(false);
  });
});

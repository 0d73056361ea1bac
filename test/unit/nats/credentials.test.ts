import { AuthorizationError, ConnectionError, UserAuthenticationExpiredError } from "nats";
import { describe, expect, test } from "vitest";
import { InvalidKeyError, isSignedBy, newKeyPair } from "../../../src/identity/key-pair.ts";
import { authenticatorOf, isRefusal } from "../../../src/nats/credentials.ts";

describe("credentials", () => {
  test("with a seed sign what the broker asks to be signed", () => {
    const { publicKey, seed } = newKeyPair("user");
    const shown = authenticatorOf({ jwt: "a.b.c\n", seed: `${seed}\n` })("nonce");
    expect(shown).toEqual({ jwt: "a.b.c", nkey: publicKey, sig: expect.any(String) });
    const { sig } = shown as { sig: string };
    expect(isSignedBy(publicKey, Buffer.from("nonce"), Buffer.from(sig, "base64url"))).toBe(true);
  });

  test("without one are the JWT alone", () => {
    expect(authenticatorOf({ jwt: "a.b.c" })("nonce")).toEqual({ jwt: "a.b.c" });
  });

  test("with what is no seed are refused, and it is not repeated", () => {
    const credentials = { jwt: "a.b.c", seed: "SUhunter2" };
    expect(() => authenticatorOf(credentials)).toThrow(InvalidKeyError);
    expect(() => authenticatorOf(credentials)).toThrow(/^(?!.*hunter2)/);
  });
});

describe("isRefusal", () => {
  test.each<[unknown, boolean]>([
    [new AuthorizationError("Authorization Violation"), true],
    [new AuthorizationError("Account Authentication Expired"), true],
    [new UserAuthenticationExpiredError("User Authentication Expired"), true],
    [new Error("User Authentication Revoked"), true],
    [
      new ConnectionError("closed", { cause: new AuthorizationError("Authorization Violation") }),
      true,
    ],
    [new AuthorizationError("Authentication Timeout"), false],
    [new ConnectionError("connection refused"), false],
    [new Error("maximum connections exceeded"), false],
    ["Authorization Violation", false],
    [undefined, false],
  ])("of %s is %s", (thrown, want) => {
    expect(isRefusal(thrown)).toBe(want);
  });
});

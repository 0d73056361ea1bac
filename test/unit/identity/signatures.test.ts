import { expect, test } from "vitest";
import { newKeyPair } from "../../../src/identity/key-pair.ts";
import { signerOf, trustIn } from "../../../src/identity/signatures.ts";

const pair = newKeyPair("user");
const other = newKeyPair("user");
const said = Buffer.from("said");

test("a key pair signs as its public key", () => {
  const signer = signerOf(pair);
  expect(signer.keyID).toBe(pair.publicKey);
  expect(Buffer.from(signer.sign(said)).equals(pair.sign(said))).toBe(true);
  expect(Object.keys(signer).toSorted()).toEqual(["keyID", "sign"]);
});

test("a good signature is believed only of a key that is trusted", () => {
  const trust = trustIn(() => [pair.publicKey]);
  expect(trust(pair.publicKey, said, pair.sign(said))).toBe(true);
  expect(trust(other.publicKey, said, other.sign(said))).toBe(false);
  expect(trust(pair.publicKey, said, other.sign(said))).toBe(false);
  expect(trust(other.publicKey, said, pair.sign(said))).toBe(false);
});

test("a bad signature of a trusted key is not believed", () => {
  const trust = trustIn(() => [pair.publicKey, other.publicKey]);
  expect(trust(pair.publicKey, Buffer.from("sad"), pair.sign(said))).toBe(false);
  expect(trust(pair.publicKey, said, new Uint8Array())).toBe(false);
});

test("what is no key is not believed, even if somebody trusts it", () => {
  for (const text of ["", "U", "__proto__", pair.seed]) {
    const trust = trustIn(() => [text]);
    expect(trust(text, said, pair.sign(said))).toBe(false);
  }
});

test("who is trusted is asked each time", () => {
  let keys = [pair.publicKey];
  const trust = trustIn(() => keys);
  expect(trust(pair.publicKey, said, pair.sign(said))).toBe(true);
  keys = [other.publicKey];
  expect(trust(pair.publicKey, said, pair.sign(said))).toBe(false);
  expect(trust(other.publicKey, said, other.sign(said))).toBe(true);
});

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newSealingKey, seal, SealedBoxError, unseal } from "../../../src/identity/sealing.ts";

const key = newSealingKey();
const plaintext = Buffer.from('{"env":[{"name":"TOKEN","value":"hunter2"}]}');
const CONTEXT = '["cluster","ship1","fleet","backup"]';
const box = seal(plaintext, key.publicKey, CONTEXT);

/** Points of X25519 with which every key agrees on the same secret: all known forms of them (RFC 7748 §6.1). */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => Buffer.from(hex, "hex"));

describe("a sealed box", () => {
  test("opens with its key in its context, whatever is in it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.string(), (bytes, context) => {
        const sealed = seal(bytes, key.publicKey, context);
        expect(sealed).toMatch(/^[A-Za-z0-9+/]+=*$/);
        expect(unseal(sealed, key, context).equals(bytes)).toBe(true);
      }),
    );
  });

  test("of the largest size there is opens", () => {
    const bytes = Buffer.alloc(190_000, 7);
    expect(unseal(seal(bytes, key.publicKey, CONTEXT), key, CONTEXT).equals(bytes)).toBe(true);
  });

  test("is another one each time, and shows nothing of what is in it", () => {
    const boxes = new Set(
      Array.from({ length: 20 }, () => seal(plaintext, key.publicKey, CONTEXT)),
    );
    expect(boxes.size).toBe(20);
    expect(Buffer.from(box, "base64").includes("hunter2")).toBe(false);
    expect(Buffer.from(box, "base64").length).toBe(32 + plaintext.length + 16);
  });

  test("opens with no other key", () => {
    expect(() => unseal(box, newSealingKey(), CONTEXT)).toThrow(SealedBoxError);
    const mixed = { publicKey: newSealingKey().publicKey, privateKey: key.privateKey };
    expect(() => unseal(box, mixed, CONTEXT)).toThrow(SealedBoxError);
  });

  test("opens in no other context", () => {
    fc.assert(
      fc.property(fc.string(), (context) => {
        fc.pre(context !== CONTEXT);
        expect(() => unseal(box, key, context)).toThrow(SealedBoxError);
      }),
    );
  });

  test("does not open with one bit of any byte of it flipped", () => {
    const bytes = Buffer.from(box, "base64");
    for (const [index, byte] of bytes.entries()) {
      // X25519 takes no notice of the highest bit of a point; what is derived from it does.
      const bit = index === 31 ? 7 : index % 8;
      const damaged = Buffer.from(bytes);
      damaged[index] = byte ^ (1 << bit);
      const text = damaged.toString("base64");
      expect(() => unseal(text, key, CONTEXT), `byte ${index}`).toThrow(SealedBoxError);
    }
  });

  test.each([0, 1, 31, 32, 33, 47, 48, 49, 60])("cut to %i bytes does not open", (length) => {
    const cut = Buffer.from(box, "base64").subarray(0, length).toString("base64");
    expect(() => unseal(cut, key, CONTEXT)).toThrow(SealedBoxError);
  });

  test("of anything opens or is refused with the one error, which repeats none of it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String({ maxLength: 300 })), (text) => {
        expect(() => unseal(text, key, CONTEXT)).toThrow(
          new SealedBoxError("the sealed box does not open with this node's key"),
        );
      }),
    );
  });

  test.each(LOW_ORDER.map((point, index): [number, Buffer] => [index, point]))(
    "with the point of low order %i in place of its key does not open",
    (_, point) => {
      const forged = Buffer.concat([point, Buffer.from(box, "base64").subarray(32)]);
      expect(() => unseal(forged.toString("base64"), key, CONTEXT)).toThrow(SealedBoxError);
    },
  );
});

describe("nothing is sealed to", () => {
  test.each([
    ["nothing", ""],
    ["half a key", key.publicKey.slice(0, 20)],
    ["a key and more", `${key.publicKey}AAAA`],
    ["what is no base64url", "!".repeat(43)],
  ])("%s", (_, recipient) => {
    expect(() => seal(plaintext, recipient, CONTEXT)).toThrow(SealedBoxError);
  });

  test.each(LOW_ORDER.map((point, index): [number, Buffer] => [index, point]))(
    "the point of low order %i: whoever sees the box could open it",
    (_, point) => {
      expect(() => seal(plaintext, point.toString("base64url"), CONTEXT)).toThrow(SealedBoxError);
    },
  );
});

test("a new sealing key has two halves of 32 bytes, and is another one each time", () => {
  const { publicKey, privateKey } = newSealingKey();
  expect(publicKey).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(privateKey).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(newSealingKey().publicKey).not.toBe(publicKey);
  expect(newSealingKey().privateKey).not.toBe(privateKey);
});

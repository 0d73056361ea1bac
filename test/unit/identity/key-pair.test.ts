import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  InvalidKeyError,
  isSignedBy,
  isUserKey,
  keyPairOf,
  newKeyPair,
  type KeyKind,
} from "../../../src/identity/key-pair.ts";

/** RFC 8032 §7.1, in hex. */
const RFC_8032 = [
  {
    name: "TEST 1",
    secret: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicHex: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    name: "TEST 2",
    secret: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicHex: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    name: "TEST 3",
    secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicHex: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
];

const USER = 20 << 3;
const SEED = 18 << 3;

/** A key in the form of an nkey, by the form's own description: prefix, key, CRC-16 (XMODEM), base32. */
function nkey(prefix: readonly number[], key: string): string {
  const body = Buffer.concat([Buffer.from(prefix), Buffer.from(key, "hex")]);
  const crc = crc16(body);
  return base32(Buffer.concat([body, Buffer.from([crc & 0xff, crc >> 8])]));
}

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    crc &= 0xffff;
  }
  return crc;
}

function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const digits = bits.match(/.{1,5}/g) ?? [];
  return digits
    .map((digit) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(digit.padEnd(5, "0"), 2)])
    .join("");
}

function userSeed(key: string): string {
  return nkey([SEED | (USER >> 5), (USER & 31) << 3], key);
}

describe.each(RFC_8032)("the key of RFC 8032's $name", (vector) => {
  const { secret, publicHex, message, signature } = vector;
  const pair = keyPairOf(userSeed(secret));
  const bytes = Buffer.from(message, "hex");

  test("has its public half", () => {
    expect(pair.publicKey).toBe(nkey([USER], publicHex));
  });

  test("makes its signature, which is good", () => {
    expect(Buffer.from(pair.sign(bytes)).toString("hex")).toBe(signature);
    expect(isSignedBy(pair.publicKey, bytes, Buffer.from(signature, "hex"))).toBe(true);
  });
});

describe("a new key", () => {
  test.each<[KeyKind, string]>([
    ["user", "U"],
    ["account", "A"],
    ["operator", "O"],
  ])("of a %s begins with %s, and its seed with S and that", (kind, letter) => {
    const { publicKey, seed } = newKeyPair(kind);
    expect(publicKey).toMatch(new RegExp(`^${letter}[A-Z2-7]{55}$`));
    expect(seed).toMatch(new RegExp(`^S${letter}[A-Z2-7]{56}$`));
    expect(keyPairOf(`\n ${seed}\n`)).toMatchObject({ publicKey, seed });
    expect(isUserKey(publicKey)).toBe(kind === "user");
  });

  test("is another one each time", () => {
    expect(new Set(Array.from({ length: 20 }, () => newKeyPair("user").seed)).size).toBe(20);
  });
});

const pair = keyPairOf(
  userSeed("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
);

function withDigit(text: string, index: number, digit: string): string {
  return text.slice(0, index) + digit + text.slice(index + 1);
}

describe("what is no seed", () => {
  const damaged = Array.from({ length: pair.seed.length }, (_, index) =>
    withDigit(pair.seed, index, pair.seed[index] === "A" ? "B" : "A"),
  );

  test.each([
    ["nothing", ""],
    ["a public key", pair.publicKey],
    ["half a seed", pair.seed.slice(0, 29)],
    ["a seed and more", `${pair.seed}A`],
    ["a seed in small letters", pair.seed.toLowerCase()],
    ["another secret", "correct horse battery staple"],
    ["a seed of a kind that there is not", nkey([SEED | 1, 0], "00".repeat(32))],
  ])("is refused: %s, and not repeated", (_, text) => {
    expect(() => keyPairOf(text)).toThrow(InvalidKeyError);
    try {
      keyPairOf(text);
    } catch (thrown) {
      const said = JSON.stringify([String(thrown), (thrown as Error).cause]);
      if (text !== "") expect(said).not.toContain(text);
    }
  });

  test("is refused if any one digit of it is damaged", () => {
    for (const text of damaged) expect(() => keyPairOf(text), text).toThrow(InvalidKeyError);
  });
});

describe("a public key", () => {
  test("with any one digit damaged is none, and has signed nothing", () => {
    const bytes = Buffer.from("said");
    const signature = pair.sign(bytes);
    for (let index = 0; index < pair.publicKey.length; index++) {
      const text = withDigit(pair.publicKey, index, pair.publicKey[index] === "A" ? "B" : "A");
      expect(isUserKey(text), text).toBe(false);
      expect(isSignedBy(text, bytes, signature), text).toBe(false);
    }
  });

  test.each([
    "",
    "U",
    pair.seed,
    `${pair.publicKey}A`,
    `${pair.publicKey}\n`,
    ` ${pair.publicKey}`,
    pair.publicKey.toLowerCase(),
    "__proto__",
  ])("is not %j", (text) => {
    expect(isUserKey(text)).toBe(false);
    expect(isSignedBy(text, Buffer.from("said"), pair.sign(Buffer.from("said")))).toBe(false);
  });

  test("of an account has signed what it signed, and is no user's", () => {
    const account = newKeyPair("account");
    const bytes = Buffer.from("said");
    expect(isSignedBy(account.publicKey, bytes, account.sign(bytes))).toBe(true);
    expect(isUserKey(account.publicKey)).toBe(false);
  });

  test("of any text is asked about without an error", () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array(), fc.uint8Array(), (text, bytes, signature) => {
        expect(isSignedBy(text, bytes, signature)).toBe(false);
        expect(isUserKey(text)).toBe(false);
      }),
    );
  });
});

describe("a signature", () => {
  const other = newKeyPair("user");
  const anyBytes = fc.uint8Array({ maxLength: 100 });

  test("is good for its key and its bytes, and for no others", () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (bytes, otherBytes) => {
        const signature = pair.sign(bytes);
        expect(isSignedBy(pair.publicKey, bytes, signature)).toBe(true);
        expect(isSignedBy(other.publicKey, bytes, signature)).toBe(false);
        const same = Buffer.from(bytes).equals(otherBytes);
        expect(isSignedBy(pair.publicKey, otherBytes, signature)).toBe(same);
      }),
    );
  });

  test("is bad with any bit flipped", () => {
    fc.assert(
      fc.property(anyBytes, fc.nat(511), (bytes, bit) => {
        const signature = Buffer.from(pair.sign(bytes));
        signature[bit >> 3] = (signature[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(isSignedBy(pair.publicKey, bytes, signature)).toBe(false);
      }),
    );
  });

  test("is bad with its length changed", () => {
    const bytes = Buffer.from("said");
    const signature = pair.sign(bytes);
    for (const length of [0, 1, 32, 63]) {
      expect(isSignedBy(pair.publicKey, bytes, signature.subarray(0, length))).toBe(false);
    }
    const longer = Buffer.concat([signature, Buffer.alloc(1)]);
    expect(isSignedBy(pair.publicKey, bytes, longer)).toBe(false);
  });

  test("has one form: adding the group's order to its second half makes it bad", () => {
    const order = (1n << 252n) + 27742317777372353535851937790883648493n;
    const signature = Buffer.from(pair.sign(Buffer.from("said")));
    const s = BigInt(`0x${Buffer.from(signature.subarray(32).toReversed()).toString("hex")}`);
    const hex = (s + order).toString(16).padStart(64, "0");
    const second = Buffer.from(hex, "hex").toReversed();
    const malleated = Buffer.concat([signature.subarray(0, 32), second]);
    expect(isSignedBy(pair.publicKey, Buffer.from("said"), malleated)).toBe(false);
  });

  test("under a key of low order is not good for whatever one likes", () => {
    const identity = `01${"00".repeat(31)}`;
    const weak = nkey([USER], identity);
    const signature = Buffer.from(identity + "00".repeat(32), "hex");
    expect(isSignedBy(weak, Buffer.from("anything"), signature)).toBe(false);
  });
});

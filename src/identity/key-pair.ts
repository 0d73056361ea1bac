import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { createAccount, createOperator, createUser, fromPublic, fromSeed } from "@nats-io/nkeys";
import { publicKeyBytes, publicKeyText, type Letter } from "./nkey-text.ts";

/**
 * Ed25519 keys in the form of NATS nkeys: a public key is 56 characters, the first of which says whose it is
 * (`U…` a user: a node, a controller; `A…` an account; `O…` an operator); a seed is the same with an `S` before.
 * The arithmetic is node:crypto's: the library's own takes 30 ms where that takes a twentieth of one.
 */

export type KeyKind = "operator" | "account" | "user";

/** A key that can sign. `seed` is the secret. */
export interface KeyPair {
  readonly publicKey: string;
  readonly seed: string;
  /** 64 bytes. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

/** That is no key. `message` never repeats what was given: it may be a secret. */
export class InvalidKeyError extends Error {
  override readonly name = "InvalidKeyError";
}

const CREATE = { operator: createOperator, account: createAccount, user: createUser } as const;
/** What comes before the 32 bytes of an Ed25519 key in its DER form (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const SEED_DIGITS = 58;

export function newKeyPair(kind: KeyKind): KeyPair {
  return keyPairOf(Buffer.from(CREATE[kind]().getSeed()).toString("ascii"));
}

/** Throws an InvalidKeyError. */
export function keyPairOf(seed: string): KeyPair {
  const text = seed.trim();
  const der = Buffer.concat([PKCS8_PREFIX, rawSeed(text)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  return {
    publicKey: publicKeyText(letterOf(text), raw),
    seed: text,
    sign: (bytes) => sign(null, bytes, key),
  };
}

/** The library has looked at the checksum. */
function rawSeed(seed: string): Uint8Array {
  try {
    // It reads over what comes after the key.
    if (seed.length !== SEED_DIGITS) throw new TypeError();
    const pair = fromSeed(Buffer.from(seed, "ascii"));
    if (!("getRawSeed" in pair) || typeof pair.getRawSeed !== "function") throw new TypeError();
    const raw: unknown = pair.getRawSeed();
    if (!(raw instanceof Uint8Array)) throw new TypeError();
    return raw;
  } catch {
    throw notASeed();
  }
}

/** The letter after the S of a seed is that of its public key. */
function letterOf(seed: string): Letter {
  const letter = seed.charAt(1);
  if (letter !== "O" && letter !== "A" && letter !== "U") throw notASeed();
  return letter;
}

function notASeed(): InvalidKeyError {
  return new InvalidKeyError("not the seed of a key: 58 letters and digits that begin with S");
}

/** Whether this is the public key of a user: of a node or a controller. */
export function isUserKey(text: string): boolean {
  return text.startsWith("U") && rawPublicKey(text) !== undefined;
}

const keyObjects = new Map<string, KeyObject>();
/** A fleet has so many, and to take one apart costs as much as to verify. */
const MAX_KEY_OBJECTS = 20_000;

/** Whether `signature` is that of this key over these bytes. False for anything that is no key or no signature. */
export function isSignedBy(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = keyObject(publicKey);
  return key !== undefined && signature.length === 64 && verify(null, bytes, key, signature);
}

function keyObject(publicKey: string): KeyObject | undefined {
  const known = keyObjects.get(publicKey);
  if (known !== undefined) return known;
  const raw = rawPublicKey(publicKey);
  if (raw === undefined) return undefined;
  const der = Buffer.concat([SPKI_PREFIX, raw]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  if (keyObjects.size >= MAX_KEY_OBJECTS) keyObjects.clear();
  keyObjects.set(publicKey, key);
  return key;
}

/** The library has looked at the checksum. */
function rawPublicKey(text: string): Uint8Array | undefined {
  if (!/^[A-Z2-7]{56}$/.test(text)) return undefined;
  try {
    fromPublic(text);
  } catch {
    return undefined;
  }
  return publicKeyBytes(text);
}

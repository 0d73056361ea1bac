import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from "node:crypto";

/**
 * Sealed boxes: what only the holder of a key can read. An ephemeral X25519 key agrees with the recipient's, HKDF
 * (SHA-256, over both public keys and a label) makes a key of that, ChaCha20-Poly1305 encrypts under it, once. The
 * context is authenticated with it: a box that is taken to another place does not open there.
 */

/** A key that boxes are sealed to, and its private half; both 32 bytes in base64url, 43 characters. */
export interface SealingKey {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** The box is damaged, sealed to another key, or of another context. */
export class SealedBoxError extends Error {
  override readonly name = "SealedBoxError";
}

const LABEL = "steward sealed box v1";
const KEY_BYTES = 32;
const TAG_BYTES = 16;
/** Each key encrypts one text only. */
const NONCE = Buffer.alloc(12);
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

export function newSealingKey(): SealingKey {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  return {
    publicKey: rawPublic(publicKey).toString("base64url"),
    privateKey: rawPrivate(privateKey),
  };
}

/** The key of a private half, as `privateKey` has it. Throws a SealedBoxError on what is none. */
export function sealingKeyOf(privateKey: string): SealingKey {
  const publicKey = rawPublic(createPublicKey(privateKeyOf(privateKey)));
  return { publicKey: publicKey.toString("base64url"), privateKey };
}

/**
 * Base64: the ephemeral public key, the ciphertext, the tag. Throws a SealedBoxError on what is no public key, or is
 * one with which everybody agrees on the same.
 */
export function seal(plaintext: Uint8Array, recipient: string, context: string): string {
  const ephemeral = generateKeyPairSync("x25519");
  const ephemeralPublic = rawPublic(ephemeral.publicKey);
  const to = decodedKey(recipient);
  const shared = agreed(ephemeral.privateKey, publicKeyOf(to));
  const cipher = createCipheriv("chacha20-poly1305", keyFor(shared, ephemeralPublic, to), NONCE, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(Buffer.from(context), { plaintextLength: plaintext.length });
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([ephemeralPublic, ciphertext, cipher.getAuthTag()]).toString("base64");
}

/** Throws a SealedBoxError. */
export function unseal(
  box: string,
  { publicKey, privateKey }: SealingKey,
  context: string,
): Buffer {
  try {
    const bytes = Buffer.from(box, "base64");
    const ephemeralPublic = bytes.subarray(0, KEY_BYTES);
    const shared = agreed(privateKeyOf(privateKey), publicKeyOf(ephemeralPublic));
    const key = keyFor(shared, ephemeralPublic, decodedKey(publicKey));
    const decipher = createDecipheriv("chacha20-poly1305", key, NONCE, {
      authTagLength: TAG_BYTES,
    });
    const ciphertext = bytes.subarray(KEY_BYTES, -TAG_BYTES);
    decipher.setAAD(Buffer.from(context), { plaintextLength: ciphertext.length });
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch (thrown) {
    throw new SealedBoxError("the sealed box does not open with this node's key", {
      cause: thrown,
    });
  }
}

function agreed(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch (thrown) {
    throw new SealedBoxError("not an X25519 key that anything can be sealed to", { cause: thrown });
  }
}

function keyFor(shared: Buffer, ephemeralPublic: Uint8Array, recipient: Uint8Array): Buffer {
  const salt = Buffer.concat([ephemeralPublic, recipient]);
  return Buffer.from(hkdfSync("sha256", shared, salt, LABEL, KEY_BYTES));
}

function privateKeyOf(text: string): KeyObject {
  const der = Buffer.concat([PKCS8_PREFIX, decodedKey(text)]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

function publicKeyOf(raw: Uint8Array): KeyObject {
  const der = Buffer.concat([SPKI_PREFIX, raw]);
  return createPublicKey({ key: der, format: "der", type: "spki" });
}

function decodedKey(text: string): Buffer {
  const raw = Buffer.from(text, "base64url");
  if (raw.length !== KEY_BYTES)
    throw new SealedBoxError("not an X25519 key: 32 bytes in base64url");
  return raw;
}

function rawPublic(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" }).subarray(-KEY_BYTES);
}

function rawPrivate(key: KeyObject): string {
  return key.export({ format: "der", type: "pkcs8" }).subarray(-KEY_BYTES).toString("base64url");
}

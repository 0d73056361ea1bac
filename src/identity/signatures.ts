import { isSignedBy, type KeyPair } from "./key-pair.ts";

/** A key pair as what signs messages. */
export function signerOf({ publicKey, sign }: KeyPair): {
  readonly keyID: string;
  sign(bytes: Uint8Array): Uint8Array;
} {
  return { keyID: publicKey, sign };
}

/** Believes who has one of these keys, which are asked for each time: they may change. */
export function trustIn(
  keys: () => readonly string[],
): (keyID: string, bytes: Uint8Array, signature: Uint8Array) => boolean {
  return (keyID, bytes, signature) => keys().includes(keyID) && isSignedBy(keyID, bytes, signature);
}

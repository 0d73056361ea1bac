/** Who a message is from. */
export interface Signer {
  /** What the receiver knows the key by: its public key. At most 128 characters. */
  readonly keyID: string;
  /** 64 bytes: Ed25519. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** Whether a signature over these bytes is good, and is by a key that may speak here. Never throws. */
export type Verify = (keyID: string, bytes: Uint8Array, signature: Uint8Array) => boolean;

/** Believes everybody, also who does not sign: where whoever is on the broker is trusted. */
export const ANYONE: unique symbol = Symbol("anyone");

/** Whom to believe. */
export type Trust = Verify | typeof ANYONE;

/** Of one who signs nothing: only for who believes anyone. */
export const NO_SIGNERS: readonly Signer[] = [];

/**
 * DSSE's pre-authentication encoding: what is signed. It covers the kind of the message with its content, so that
 * nothing that was said as one can be repeated as the other.
 */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType);
  const head = `DSSEv1 ${type.length} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

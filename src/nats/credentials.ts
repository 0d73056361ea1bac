import { AuthorizationError, UserAuthenticationExpiredError, type Authenticator } from "nats";
import { keyPairOf } from "../identity/key-pair.ts";

/** Who this side is to a broker in operator mode. */
export interface NatsCredentials {
  /** The user's JWT. */
  readonly jwt: string;
  /** Of the key that the JWT is about; absent for a JWT that is good for whoever bears it. */
  readonly seed?: string;
}

/**
 * Shows the JWT and, with a seed, signs what the broker asks to be signed, with node's arithmetic: the client's own
 * takes 600 times longer. Throws an InvalidKeyError.
 */
export function authenticatorOf({ jwt, seed }: NatsCredentials): Authenticator {
  const user = { jwt: jwt.trim() };
  if (seed === undefined) return () => user;
  const { publicKey, sign } = keyPairOf(seed);
  return (nonce) => {
    const signature = sign(Buffer.from(nonce ?? ""));
    return { ...user, nkey: publicKey, sig: Buffer.from(signature).toString("base64url") };
  };
}

/** Whether the broker says that it does not want this user, now or any more. A broker without time has not said so. */
export function isRefusal(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  if (thrown instanceof UserAuthenticationExpiredError) return true;
  if (thrown instanceof AuthorizationError) return !/timeout/i.test(thrown.message);
  // The client has no error of its own for it.
  return /^user authentication revoked/i.test(thrown.message) || isRefusal(thrown.cause);
}

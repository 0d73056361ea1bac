import { isSignedBy } from "./key-pair.ts";

/** Reads JWTs of NATS without the library that makes them: the agent has no use for that in its memory. */

export interface JwtFacts {
  readonly name: string;
  /** Public keys of whom it is about and of who signed it. */
  readonly subject: string;
  readonly issuer: string;
  /** Of a user whose JWT a signing key of this account signed. */
  readonly issuerAccount: string | undefined;
  /** Of an operator or an account: the public keys that sign for it. */
  readonly signingKeys: readonly string[];
  /** Unix times in milliseconds. */
  readonly issuedAt: number;
  readonly expiresAt: number | undefined;
}

/** That is no JWT. */
export class InvalidJwtError extends Error {
  override readonly name = "InvalidJwtError";
}

type JsonObject = Readonly<Record<string, unknown>>;

/** What a JWT says; who says so is not looked at. Throws an InvalidJwtError. */
export function readJwt(jwt: string): JwtFacts {
  const claims = objectOf(jwt.trim().split(".")[1] ?? "");
  const { name, sub, iss, iat, exp, nats } = claims;
  if (typeof sub !== "string" || typeof iss !== "string" || typeof iat !== "number") {
    throw new InvalidJwtError("not a JWT: it does not say whom it is about, who made it and when");
  }
  const details = isObject(nats) ? nats : {};
  return {
    name: typeof name === "string" ? name : "",
    subject: sub,
    issuer: iss,
    issuerAccount: stringOrNone(details["issuer_account"]),
    signingKeys: signingKeysOf(details["signing_keys"]),
    issuedAt: iat * 1_000,
    expiresAt: typeof exp === "number" ? exp * 1_000 : undefined,
  };
}

/** Whether one of these public keys has signed a JWT as it stands. */
export function isJwtBy(issuers: readonly string[], jwt: string): boolean {
  return isGenuineJwt(jwt) && issuers.includes(readJwt(jwt).issuer);
}

/** Whether the one that a JWT names as its issuer has signed it as it stands. */
export function isGenuineJwt(jwt: string): boolean {
  const [header = "", payload = "", signature = "", ...rest] = jwt.trim().split(".");
  if (rest.length > 0) return false;
  const signed = Buffer.from(`${header}.${payload}`);
  try {
    return isSignedBy(readJwt(jwt).issuer, signed, Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
}

function signingKeysOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  // With a scope, a key is an object.
  return value.flatMap((key: unknown) => stringOrNone(isObject(key) ? key["key"] : key) ?? []);
}

function objectOf(payload: string): {
  readonly name?: unknown;
  readonly sub?: unknown;
  readonly iss?: unknown;
  readonly iat?: unknown;
  readonly exp?: unknown;
  readonly nats?: unknown;
} {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    if (isObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new InvalidJwtError("not a JWT: three parts with dots between, JSON in base64url");
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null;
}

function stringOrNone(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

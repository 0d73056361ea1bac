import { isDeepStrictEqual } from "node:util";

/** Reads the JWT of the fleet's account as the broker gives it back. Who signed it is to be looked at before. */

/** By a user's public key the Unix time, in seconds, up to which its JWTs are void. Empty for what is no JWT. */
export function revocationsIn(jwt: string): Readonly<Record<string, number>> {
  const revocations = objectIn(claimsOf(jwt)["nats"])["revocations"];
  const entries = Object.entries(objectIn(revocations)).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );
  return Object.fromEntries(entries);
}

/** Whether two JWTs say the same of the same account, but for what is revoked, and when each was made. */
export function isSameAccount(a: string, b: string): boolean {
  return isDeepStrictEqual(withoutRevocations(a), withoutRevocations(b));
}

function withoutRevocations(jwt: string): unknown {
  const { nats, sub, iss } = claimsOf(jwt);
  const { revocations: _, ...rest } = objectIn(nats);
  return { ...rest, sub, iss };
}

function claimsOf(jwt: string): Fields {
  try {
    const [, payload = ""] = jwt.trim().split(".");
    return objectIn(JSON.parse(Buffer.from(payload, "base64url").toString("utf8")));
  } catch {
    return {};
  }
}

type Fields = Readonly<Record<string, unknown>>;

function objectIn(value: unknown): Fields {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an object has fields
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

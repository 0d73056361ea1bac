import { createHash } from "node:crypto";
import { z } from "zod";
import { publicCommandKeys } from "./command-keys.ts";
import { keyPairOf } from "./key-pair.ts";
import { LABEL } from "./label.ts";
import { parsedJson } from "../runtime/json.ts";

/**
 * What a person carries from the cluster to a node, as one word: `stw1.<payload>.<check>`. The payload is JSON in
 * base64url; the check is the beginning of its SHA-256, since what is pasted is often cut off.
 */

export const joinToken = z.strictObject({
  /** The URLs at which the node dials the broker. */
  servers: z.array(z.string().min(1)).min(1).max(16).readonly(),
  node: z.string().regex(LABEL),
  namespace: z.string().regex(LABEL),
  /** The cluster that the node obeys: a uid. */
  clusterID: z.string().min(1).max(64),
  /** The authorities that vouch for the broker; PEM. */
  ca: z.string().min(1),
  commandKeys: publicCommandKeys,
  /** Lets one ask the controller, and nothing else. */
  enrollmentJwt: z.string().min(1),
  /** The secret: a user's seed, whose public half is in the EdgeNode. Without it, the node's own key must be there. */
  seed: z.string().refine(isUserSeed).optional(),
});
export type JoinToken = z.infer<typeof joinToken>;

/** That is no join token. `message` is for the person who pasted it, and repeats nothing of it. */
export class JoinTokenError extends Error {
  override readonly name = "JoinTokenError";
}

const VERSION = "stw1";
const CHECK_CHARS = 8;

/** Throws a ZodError for what is no such token: a mistake of ours. */
export function encodeJoinToken(token: JoinToken): string {
  const payload = Buffer.from(JSON.stringify(joinToken.parse(token))).toString("base64url");
  return `${VERSION}.${payload}.${checkOf(payload)}`;
}

/** White space is left out, such as a terminal breaks lines with. Throws a JoinTokenError. */
export function decodeJoinToken(text: string): JoinToken {
  const [version = "", payload = "", check = "", ...rest] = text.replace(/\s/g, "").split(".");
  if (version !== VERSION) throw new JoinTokenError(problemOfVersion(version));
  if (payload === "" || rest.length > 0 || check !== checkOf(payload)) {
    throw new JoinTokenError(
      "the token is damaged or not all of it is there: copy all of the line that steward enroll printed",
    );
  }
  const parsed = joinToken.safeParse(parsedJson(Buffer.from(payload, "base64url").toString()));
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new JoinTokenError(
    `the token's ${field === "" ? "content" : field} is not understood: make a new one with steward enroll, of the same version as this program`,
  );
}

function problemOfVersion(version: string): string {
  if (/^stw\d+$/.test(version)) {
    return `the token is of version ${version}, this program understands ${VERSION}: use the version of the program that made it`;
  }
  return `that is no join token: it begins with ${VERSION}., as steward enroll prints it`;
}

function checkOf(payload: string): string {
  return createHash("sha256").update(payload).digest("base64url").slice(0, CHECK_CHARS);
}

function isUserSeed(text: string): boolean {
  try {
    return keyPairOf(text).publicKey.startsWith("U");
  } catch {
    return false;
  }
}

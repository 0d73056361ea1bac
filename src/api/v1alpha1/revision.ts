import { createHash } from "node:crypto";
import type { EdgeCommandSpec } from "./edgecommand.ts";

export type RevisionInput = Pick<
  EdgeCommandSpec,
  "nodeName" | "method" | "args" | "env" | "stdin" | "workingDir"
>;

/**
 * What is run, as a versioned hash: `v1:` and the first 128 bits of a SHA-256, in hex.
 *
 * The canonical form is a JSON array of the six fields in this order, with defaults filled in and env
 * sorted by name (its names are unique, so their order means nothing). Frozen by golden vectors: a field
 * added later must leave the hash of specs without it as it is, or raise the version.
 */
export function revisionOf(spec: RevisionInput): string {
  const env = spec.env
    .map(({ name, value }): [string, string] => [name, value])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const canonical = [spec.nodeName, spec.method, spec.args, env, spec.stdin, spec.workingDir];
  const digest = createHash("sha256").update(JSON.stringify(canonical)).digest("hex");
  return `v1:${digest.slice(0, 32)}`;
}

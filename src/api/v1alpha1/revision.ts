import { createHash } from "node:crypto";
import type { EdgeCommandSpec } from "./edgecommand.ts";
import type { ValueSource } from "./value-source.ts";

export type RevisionInput = Pick<
  EdgeCommandSpec,
  "nodeName" | "method" | "args" | "env" | "stdin" | "stdinFrom" | "runAs" | "workingDir"
>;

/**
 * What is run, as a versioned hash: `v1:` and the first 128 bits of a SHA-256, in hex.
 *
 * The canonical form is a JSON array of the first six fields in this order, with defaults filled in and env
 * sorted by name (its names are unique, so their order means nothing); then, only if there are any, the fields
 * that came later. What comes from a Secret or a ConfigMap is there by reference. Frozen by golden vectors: a field
 * added later must leave the hash of specs without it as it is, or raise the version.
 */
export function revisionOf(spec: RevisionInput): string {
  const env = spec.env.map(canonicalVariable).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const canonical = [spec.nodeName, spec.method, spec.args, env, spec.stdin, spec.workingDir];
  const digest = createHash("sha256")
    .update(JSON.stringify([...canonical, ...laterFields(spec)]))
    .digest("hex");
  return `v1:${digest.slice(0, 32)}`;
}

type Canonical = string | boolean | readonly Canonical[];

function canonicalVariable({
  name,
  value,
  valueFrom,
}: EdgeCommandSpec["env"][number]): [string, ...Canonical[]] {
  return valueFrom === undefined ? [name, value] : [name, canonicalSource(valueFrom)];
}

function canonicalSource({ secretKeyRef, configMapKeyRef }: ValueSource): Canonical {
  return [referenceOf("secret", secretKeyRef), referenceOf("configMap", configMapKeyRef)].flat();
}

function referenceOf(kind: string, reference: ValueSource["secretKeyRef"]): Canonical[] {
  return reference === undefined ? [] : [kind, reference.name, reference.key, reference.optional];
}

function laterFields({ runAs, stdinFrom }: RevisionInput): Canonical[] {
  return [
    ...(runAs === undefined ? [] : [["runAs", runAs]]),
    ...(stdinFrom === undefined ? [] : [["stdinFrom", canonicalSource(stdinFrom)]]),
  ];
}

import { edgeCommandSpec, type EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import { revisionOf } from "../../api/v1alpha1/revision.ts";

/** A spec object never changes, and is looked at on every pass. */
const revisions = new WeakMap<EdgeCommand["spec"], string>();

export function revisionOnce(spec: EdgeCommand["spec"]): string {
  const revision = revisions.get(spec) ?? revisionOf(spec);
  revisions.set(spec, revision);
  return revision;
}

/** Specs that were found readable. */
const readable = new WeakSet<EdgeCommand["spec"]>();

/** Why a spec cannot be read, although the API server took it: its CRD is not the one of this build. */
export function unreadable({ spec }: EdgeCommand): string | undefined {
  if (readable.has(spec)) return undefined;
  const result = edgeCommandSpec.safeParse(spec);
  if (result.success) {
    readable.add(spec);
    return undefined;
  }
  const [issue] = result.error.issues;
  return `spec.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}; is the CRD that of this controller's version?`;
}

import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";

/** It was not to wait for its node. */
export function isGivenUp({ outcome, reason }: Pick<RunStatus, "outcome" | "reason">): boolean {
  return outcome === "Skipped" || (outcome === "Failed" && reason === "NodeAway");
}

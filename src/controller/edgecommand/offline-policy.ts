import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { waitingFor } from "./node-presence.ts";
import type { Observed } from "./observe.ts";
import { declarationOf } from "./run.ts";

/**
 * spec.offlinePolicy is looked at once, when the run is requested: before etcd names it. That nothing has been
 * heard of the node counts only when this process has listened for as long as a node may be silent; a
 * controller that has just started, or a node that is restarted, skips nothing.
 */
export type OfflineVerdict =
  | { readonly kind: "wait" }
  /** Not to be written before it is decided: then it would count as waiting. */
  | { readonly kind: "undecided"; readonly forMs: number }
  | { readonly kind: "giveUp"; readonly outcome: "Skipped" | "Failed" };

const WAIT: OfflineVerdict = { kind: "wait" };

export function offlineVerdict(run: RunStatus, observed: Observed): OfflineVerdict {
  const { command, silentMs, nodeGracePeriodMs } = observed;
  const { offlinePolicy } = command.spec;
  if (offlinePolicy === "Wait" || !mayBeGivenUp(run, observed)) return WAIT;
  const forMs = nodeGracePeriodMs - silentMs;
  if (forMs > 0) return { kind: "undecided", forMs };
  return { kind: "giveUp", outcome: offlinePolicy === "Skip" ? "Skipped" : "Failed" };
}

function mayBeGivenUp(run: RunStatus, { node, command, reports, exchange }: Observed): boolean {
  if (node.kind !== "away" && node.kind !== "notFound") return false;
  if (run.acceptedAt !== undefined || run.outcome !== undefined) return false;
  if (run.suspendedAt !== undefined || command.spec.cancel) return false;
  // A node that reports an earlier run is about to say hello.
  return reports.length === 0 && !exchange.inFlight;
}

export function givenUp(
  run: RunStatus,
  outcome: "Skipped" | "Failed",
  { node, now, command }: Observed,
): RunStatus {
  const { offlinePolicy } = command.spec;
  return {
    ...declarationOf(run),
    finishedAt: timestampOf(now),
    // Another controller may have sent it a moment before: only the node can say that it never ran.
    started: "Unknown",
    outcome,
    summary: `${outcome.toLowerCase()}${waitingFor(node)}`,
    reason: "NodeAway",
    message:
      `The node was away when it was requested, and offlinePolicy is ${offlinePolicy}. It is withdrawn ` +
      "when the node is back. To run it after all, set spec.rerun to a new value.",
  };
}

import type { EdgeCommandSpec } from "../../api/v1alpha1/edgecommand.ts";
import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";

export interface Suspension {
  readonly run: RunStatus;
  /** It was held back and is not any more: the status must say so in etcd before anything is sent. */
  readonly isResumed: boolean;
}

/**
 * Holds back a run that its node has not accepted, as far as this process knows. Cancelling wins. A run that
 * is held back no longer has its start deadline count from here. When it was requested stays what it was: it may
 * have been sent before, and its node may have lost its ledger since.
 */
export function withSuspension(
  run: RunStatus,
  spec: Pick<EdgeCommandSpec, "suspend" | "cancel">,
  now: string,
): Suspension {
  if (isToBeHeld(run, spec)) {
    return { run: { ...run, suspendedAt: run.suspendedAt ?? now }, isResumed: false };
  }
  if (run.suspendedAt === undefined) return { run, isResumed: false };
  const { suspendedAt: _, ...resumed } = run;
  return { run: { ...resumed, resumedAt: now }, isResumed: true };
}

function isToBeHeld(
  run: RunStatus,
  { suspend, cancel }: Pick<EdgeCommandSpec, "suspend" | "cancel">,
): boolean {
  return suspend && !cancel && run.acceptedAt === undefined && run.outcome === undefined;
}

import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { declarationOf } from "./run.ts";

/**
 * A resource that was created with `cancel: true` and never edited: nobody can have sent it. The only end
 * whose started "False" does not need the node's word.
 */
export function isBornCancelled({ metadata, spec, status }: EdgeCommand): boolean {
  return spec.cancel && metadata.generation === 1 && status.run === undefined;
}

export function cancelledUnsent(run: RunStatus, now: number): RunStatus {
  return {
    ...declarationOf(run),
    finishedAt: timestampOf(now),
    started: "False",
    outcome: "Cancelled",
    summary: "cancelled",
    reason: "Cancelled",
    message: "It was created cancelled and was never sent.",
  };
}

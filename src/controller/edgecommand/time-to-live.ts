import type { EdgeCommandStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { parseDuration } from "../../runtime/duration.ts";
import type { Observed } from "./observe.ts";

/** Milliseconds until the resource has been over for spec.ttlAfterFinished; undefined: it is kept. */
export function untilRemoval(
  { conditions = [], run }: EdgeCommandStatus,
  { command, now }: Observed,
): number | undefined {
  const { ttlAfterFinished } = command.spec;
  const completed = conditions.find(({ type }) => type === "Completed");
  if (ttlAfterFinished === undefined || completed?.status !== "True") return undefined;
  // A run that ends before the end of the one before it was taken back moves no transition.
  const completedAt = Date.parse(completed.lastTransitionTime);
  const endedAt = Math.max(
    completedAt,
    Date.parse(run?.finishedAt ?? completed.lastTransitionTime),
  );
  return endedAt + parseDuration(ttlAfterFinished) - now;
}

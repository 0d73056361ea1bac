import {
  HISTORY_LIMIT,
  type PastRun,
  type RunStatus,
} from "../../api/v1alpha1/edgecommand-status.ts";
import type { RunReport } from "../../protocol/run.ts";
import { isGivenUp } from "./given-up.ts";

/** Puts a run that has ended at the head of the history; one that has not is remembered when it has. */
export function withEnded(
  history: readonly PastRun[],
  run: RunStatus | undefined,
): readonly PastRun[] {
  if (run?.outcome === undefined) return history;
  const past = pastRun({ ...run, outcome: run.outcome });
  return bounded([past, ...history.filter((other) => !isSameRun(other, past))]);
}

/** Puts a node's word on an earlier run in its place, instead of what was known of it. */
export function withReportedPast(
  history: readonly PastRun[],
  { result, declared, revision, rerun, runID }: RunReport,
): readonly PastRun[] {
  if (result === undefined) return history;
  const past = pastRun({ ...result, declared, revision, rerun, runID });
  const known = history.find((other) => isSameRun(other, past));
  const kept = known === undefined ? past : upheld(known, past);
  const others = history.filter((other) => !isSameRun(other, past));
  return bounded([kept, ...others].toSorted((a, b) => b.declared - a.declared));
}

/** The node's word stays what it was, and what was given up and never started stays given up. */
function upheld(known: PastRun, past: PastRun): PastRun {
  if (known.runID !== undefined && known.outcome !== "Unknown") return known;
  if (!isGivenUp(known) || past.started !== "False") return past;
  return { ...known, ...(past.runID === undefined ? {} : { runID: past.runID }), started: "False" };
}

function bounded(history: readonly PastRun[]): readonly PastRun[] {
  return history.slice(0, HISTORY_LIMIT);
}

function pastRun(
  from: Pick<RunStatus, "declared" | "revision" | "rerun" | "reason"> &
    Pick<PastRun, "outcome"> &
    Partial<Pick<RunStatus, "runID" | "started" | "exitCode" | "finishedAt">>,
): PastRun {
  return {
    declared: from.declared,
    revision: from.revision,
    rerun: from.rerun,
    ...(from.runID === undefined ? {} : { runID: from.runID }),
    outcome: from.outcome,
    started: from.started ?? "Unknown",
    ...(from.exitCode === undefined ? {} : { exitCode: from.exitCode }),
    ...(from.finishedAt === undefined ? {} : { finishedAt: from.finishedAt }),
    reason: from.reason,
  };
}

type RunIdentity = Pick<RunStatus, "declared" | "revision" | "rerun" | "runID">;

function isSameRun(run: RunIdentity, other: RunIdentity): boolean {
  if (run.runID !== undefined && other.runID !== undefined) return run.runID === other.runID;
  const { declared, revision, rerun } = run;
  return declared === other.declared && revision === other.revision && rerun === other.rerun;
}

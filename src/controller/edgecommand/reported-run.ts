import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import type { RunReport, RunResult } from "../../protocol/run.ts";
import { finishedRun } from "./finished-run.ts";
import { isGivenUp } from "./given-up.ts";
import { withReportedPast } from "./history.ts";
import { declarationOf, isFirm, type Runs } from "./run.ts";

/**
 * What a report of the node makes of the runs: DESIGN §4's table for results, and the same for the word on a
 * run that goes on. It belongs to the declared run or to an earlier one, which the history has.
 */
export function withReport(runs: Runs, report: RunReport, command: EdgeCommand): Runs {
  const { run } = runs;
  const isRecorded = isFirm(run) && run.runID === report.runID;
  if (isRecorded) return runs;
  if (isFirm(run) || !isOf(run, report, command)) {
    return { run, history: withReportedPast(runs.history, report) };
  }
  // What an earlier report of the same run, not known as this one's then, put into the history.
  const history = runs.history.filter(({ runID }) => runID !== report.runID);
  return { run: reportedRun(run, report), history };
}

/** Whether a report speaks of this run, and not of an earlier one of the same. */
function isOf(run: RunStatus, report: RunReport, { metadata }: EdgeCommand): boolean {
  if (report.revision !== run.revision) return false;
  const isAtLeast =
    report.epoch === run.epoch ? report.generation >= run.declared : report.epoch > run.epoch;
  if (!isAtLeast) return false;
  // The node takes an empty rerun for any, but not for one of a later state than the cluster has.
  const matchesAny = run.rerun === "" && report.generation <= metadata.generation;
  return report.rerun === run.rerun || matchesAny;
}

function reportedRun(run: RunStatus, report: RunReport): RunStatus {
  const { nodeRow: _, ...declaration } = declarationOf(run);
  const { result } = report;
  if (result === undefined) return runUnderWay(declaration, report);
  if (isGivenUp(run) && result.started === "False") return confirmedGivenUp(run, report);
  const { runID, acceptedAt, attempts } = report;
  return {
    ...declaration,
    runID,
    acceptedAt,
    attempts,
    ...finishedRun(result, report, ranBefore(result, report, run.requestedAt)),
  };
}

type Declared = Omit<ReturnType<typeof declarationOf>, "nodeRow">;

function runUnderWay(declaration: Declared, report: RunReport): RunStatus {
  const { runID, acceptedAt, startedAt, attempts } = report;
  return {
    ...declaration,
    runID,
    acceptedAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    attempts,
    ...(report.state === "Running" || startedAt !== undefined ? { started: "True" as const } : {}),
    ...whereItIs(report),
  };
}

function whereItIs({ state, attempts }: RunReport): Pick<RunStatus, "reason" | "message"> {
  if (state === "Running") return { reason: "Running", message: "The node runs it." };
  if (attempts === 0) {
    return { reason: "Queued", message: "The node has it; it waits for its turn." };
  }
  return {
    reason: "BackOff",
    message: `Attempt ${attempts} failed; the node makes the next one after a pause.`,
  };
}

/** The withdrawal came before the start: it stays given up, now for good. */
function confirmedGivenUp(run: RunStatus, { runID }: RunReport): RunStatus {
  return {
    ...run,
    runID,
    started: "False",
    message: "The node was away. It has confirmed that it never ran it and never will.",
  };
}

/**
 * Whether an adopted run really ran before its present resource: it may have been adopted while it waited.
 * Resources have their creation in whole seconds.
 */
function ranBefore(result: RunResult, report: RunReport, requestedAt: string): boolean {
  const ranAt = result.startedAt ?? report.startedAt;
  if (!report.adopted || result.started === "False") return false;
  return Date.parse(ranAt ?? result.finishedAt) < Date.parse(requestedAt) + 1_000;
}

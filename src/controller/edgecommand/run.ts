import { HISTORY_LIMIT } from "../../api/v1alpha1/edgecommand.ts";
import type { EdgeCommand, PastRun, RunStatus } from "../../api/v1alpha1/edgecommand.ts";
import type { RunReport, RunResult } from "../../protocol/run.ts";
import { safeText } from "../../protocol/output.ts";
import { formatDuration } from "../../runtime/duration.ts";
import { cutText } from "./text.ts";

/** The runs that a status tells of. */
export interface Runs {
  readonly run: RunStatus;
  readonly history: readonly PastRun[];
}

/**
 * Whether the end of a run is one that nothing can change. Expired without the node's word is not: the
 * node may have started it in time and not been able to say so.
 */
export function isFirm(run: Pick<RunStatus, "outcome" | "started"> | undefined): boolean {
  if (run?.outcome === undefined) return false;
  return !(run.outcome === "Expired" && run.started === "Unknown");
}

/**
 * The runs as they have to be for what the resource declares now.
 *
 * `mustBeWritten`: the status must say so in etcd before anything is sent. A new resource (generation 1,
 * no run in its status) is the exception: its run follows from the resource itself, so that two
 * controllers derive the same envelope.
 */
export function declaredRuns(
  command: EdgeCommand,
  revision: string,
  now: string,
): Runs & { readonly mustBeWritten: boolean } {
  const { generation, creationTimestamp } = command.metadata;
  const { run, history = [] } = command.status;
  if (run?.revision === revision) return { run, history, mustBeWritten: false };
  const isNew = run === undefined && generation === 1;
  const declared: RunStatus = {
    declared: generation,
    revision,
    requestedAt: isNew ? new Date(creationTimestamp).toISOString() : now,
    reason: "Pending",
    message: "",
  };
  return { run: declared, history: remember(history, run), mustBeWritten: !isNew };
}

/** What a report of the node makes of the runs: it belongs to the declared run or to an earlier one. */
export function withReport(runs: Runs, report: RunReport): Runs {
  if (!isCurrent(runs.run, report)) return { run: runs.run, history: withPast(runs, report) };
  if (isFirm(runs.run)) return runs;
  // What an earlier report of the same run, not known as this one's then, put into the history.
  const history = runs.history.filter(({ runID }) => runID !== report.runID);
  return { run: reportedRun(runs.run, report), history };
}

/** Whether a report speaks of the declared run, and not of an earlier one that ran the same. */
function isCurrent(run: RunStatus, report: RunReport): boolean {
  return report.revision === run.revision && report.generation >= run.declared;
}

/** Puts a run that has ended at the head of the history; one that has not is remembered when it has. */
function remember(history: readonly PastRun[], run: RunStatus | undefined): readonly PastRun[] {
  if (run?.outcome === undefined) return history;
  const past = pastRun({ ...run, outcome: run.outcome });
  return bounded([past, ...history.filter((other) => !isSameRun(other, past))]);
}

function withPast({ run, history }: Runs, report: RunReport): readonly PastRun[] {
  const { result, declared, revision, runID } = report;
  if (result === undefined || run.runID === runID) return history;
  const past = pastRun({ ...result, declared, revision, runID });
  const others = history.filter((other) => !isSameRun(other, past));
  return bounded([past, ...others].toSorted((a, b) => b.declared - a.declared));
}

function bounded(history: readonly PastRun[]): readonly PastRun[] {
  return history.slice(0, HISTORY_LIMIT);
}

function pastRun(
  from: Pick<RunStatus, "declared" | "revision" | "reason"> &
    Pick<PastRun, "outcome"> &
    Partial<Pick<RunStatus, "runID" | "started" | "exitCode" | "finishedAt">>,
): PastRun {
  return {
    declared: from.declared,
    revision: from.revision,
    ...(from.runID === undefined ? {} : { runID: from.runID }),
    outcome: from.outcome,
    started: from.started ?? "Unknown",
    ...(from.exitCode === undefined ? {} : { exitCode: from.exitCode }),
    ...(from.finishedAt === undefined ? {} : { finishedAt: from.finishedAt }),
    reason: from.reason,
  };
}

function isSameRun(run: RunIdentity, other: RunIdentity): boolean {
  if (run.runID !== undefined && other.runID !== undefined) return run.runID === other.runID;
  return run.declared === other.declared && run.revision === other.revision;
}

type RunIdentity = Pick<RunStatus, "declared" | "revision" | "runID">;

function reportedRun(run: RunStatus, report: RunReport): RunStatus {
  const { declared, revision, requestedAt } = run;
  const { runID, acceptedAt } = report;
  const base = { declared, revision, runID, requestedAt, acceptedAt };
  const { result } = report;
  if (result === undefined) {
    const isRunning = report.state === "Running";
    return {
      ...base,
      ...(report.startedAt === undefined ? {} : { startedAt: report.startedAt }),
      ...(isRunning ? { started: "True" as const } : {}),
      reason: report.state,
      message: isRunning ? "The node runs it." : "The node has it in its journal.",
    };
  }
  return { ...base, ...finished(result, report, ranBefore(result, report, requestedAt)) };
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

function finished(
  result: RunResult,
  report: RunReport,
  alreadyRan: boolean,
): Omit<RunStatus, "declared" | "revision" | "requestedAt"> {
  const { durationMs, stdout, stderr, message, startedAt = report.startedAt, ...rest } = result;
  const text = alreadyRan ? alreadyRanMessage(result) : message;
  return {
    ...rest,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(durationMs === undefined ? {} : { duration: formatDuration(durationMs) }),
    ...(stdout === undefined ? {} : { stdout: { ...stdout, text: safeText(stdout.text) } }),
    ...(stderr === undefined ? {} : { stderr: { ...stderr, text: safeText(stderr.text) } }),
    summary: summaryOf(result),
    reason: alreadyRan ? "AlreadyRan" : result.reason,
    message: cutText(safeText(text), 1024),
  };
}

function alreadyRanMessage(result: RunResult): string {
  return (
    `It ran under an earlier resource of this name and ended at ${result.finishedAt}; creating the ` +
    "resource again does not run it again. To run it again, change what it runs, or create it under a " +
    "new name (metadata.generateName)."
  );
}

/** The end of a run in one line: how it ended, and the last line of what it said. */
function summaryOf(result: RunResult): string {
  const streams = result.outcome === "Succeeded" ? [result.stdout] : [result.stderr, result.stdout];
  const said = streams.map((stream) => lastLine(stream?.text ?? "")).find((line) => line !== "");
  const parts = [endOf(result), said ?? (result.stdout === undefined ? result.message : "")];
  return cutText(safeText(parts.filter((part) => part !== "").join(": ")), 160);
}

function endOf({ outcome, exitCode, signal }: RunResult): string {
  if (outcome === "Succeeded" || outcome === "Failed") {
    return exitCode === undefined ? (signal ?? "") : `exit ${exitCode}`;
  }
  return outcome === "TimedOut" ? "timed out" : outcome.toLowerCase();
}

function lastLine(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.findLast((line) => line !== "") ?? "";
}

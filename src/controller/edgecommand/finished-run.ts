import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { safeText } from "../../protocol/output.ts";
import type { RunReport, RunResult } from "../../protocol/run.ts";
import { formatDuration } from "../../runtime/duration.ts";
import type { Declaration } from "./run.ts";
import { cutText } from "./text.ts";

/** How a run ended, by the node's result: hostile bytes made safe and cut. */
export function finishedRun(
  result: RunResult,
  report: RunReport,
  alreadyRan: boolean,
): Omit<RunStatus, keyof Declaration> {
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
    "resource again does not run it again. To run it again, set spec.rerun to a new value, or create it " +
    "under a new name (metadata.generateName)."
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

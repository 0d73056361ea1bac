import type { EdgeCommand, EdgeCommandSpec } from "../../api/v1alpha1/edgecommand.ts";
import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { parseDuration } from "../../runtime/duration.ts";
import { isGone, waitingFor } from "./node-presence.ts";
import type { Observed } from "./observe.ts";
import { declarationOf } from "./run.ts";

/** What an attempt may take beside its timeout: ending what does not end by itself, and writing it down. */
const ENDING_MS = 60_000;

/** When the run may be started at the latest, in milliseconds since the epoch; undefined: at any time. */
export function startByOf(
  run: Pick<RunStatus, "requestedAt" | "resumedAt">,
  { startDeadline }: Pick<EdgeCommandSpec, "startDeadline">,
): number | undefined {
  if (startDeadline === undefined) return undefined;
  return Date.parse(run.resumedAt ?? run.requestedAt) + parseDuration(startDeadline);
}

/**
 * Expired is said of a run only while no node has said that it accepted it, and its deadline is past.
 */
export function withStartDeadline(run: RunStatus, observed: Observed): RunStatus {
  const { spec } = observed.command;
  if (run.acceptedAt !== undefined || run.suspendedAt !== undefined) return run;
  if (!isPastStart(run, observed) || run.outcome !== undefined) return run;
  const whom = waitingFor(observed.node);
  return {
    ...declarationOf(run),
    finishedAt: timestampOf(observed.now),
    started: "Unknown",
    outcome: "Expired",
    summary: `expired${whom}`,
    reason: "StartDeadlineExceeded",
    message:
      `Nothing was heard of a start within ${spec.startDeadline}${whom}. ` +
      "If the node did start it in time, its word will replace this.",
  };
}

/** One that had expired is waited for again if its deadline was extended. */
export function withExtendedDeadline(run: RunStatus, observed: Observed): RunStatus {
  const isOpen = run.outcome === "Expired" && run.acceptedAt === undefined;
  if (!isOpen || isPastStart(run, observed)) return run;
  return { ...declarationOf(run), reason: "Pending", message: "" };
}

function isPastStart(run: RunStatus, { command, now }: Observed): boolean {
  const startBy = startByOf(run, command.spec);
  return startBy !== undefined && startBy <= now;
}

/**
 * Unknown is said of a run that its node has accepted, once it must have ended by all that was agreed and the
 * node has been silent towards somebody who could hear it: neither the broker's nor this process's absence
 * counts. A node that is there is asked instead.
 */
export function withSilenceDeadline(run: RunStatus, observed: Observed): RunStatus {
  if (run.acceptedAt === undefined || run.outcome !== undefined) return run;
  if (!isGone(observed.node) || observed.brokerDownMs !== undefined) return run;
  if (untilSilenceCounts(run, observed) > 0) return run;
  return {
    ...run,
    started: run.started ?? "Unknown",
    outcome: "Unknown",
    summary: `unknown${waitingFor(observed.node)}`,
    reason: "NodeSilent",
    message:
      "The node accepted it, must have ended it by now, and has said nothing. Its word will replace this " +
      "when it is back.",
  };
}

function untilSilenceCounts(run: RunStatus, observed: Observed): number {
  const { now, silentMs, nodeGracePeriodMs, command } = observed;
  const untilPast = lastPossibleEnd(run, command) + nodeGracePeriodMs - now;
  return Math.max(untilPast, nodeGracePeriodMs - silentMs);
}

/** When a run that was accepted must have ended: by then every attempt has had its time, and every pause. */
export function lastPossibleEnd(run: RunStatus, { spec }: Pick<EdgeCommand, "spec">): number {
  const { limit } = spec.retry;
  const begin = Date.parse(run.startedAt ?? run.acceptedAt ?? run.requestedAt);
  const mayStartAgain = run.startedAt === undefined || limit > 0;
  const startBy = mayStartAgain ? (startByOf(run, spec) ?? begin) : begin;
  const attempts = (limit + 1) * (parseDuration(spec.timeout) + ENDING_MS);
  return Math.max(begin, startBy) + attempts + pausesMs(spec.retry);
}

function pausesMs({ limit, backoff, maxBackoff }: EdgeCommandSpec["retry"]): number {
  const first = parseDuration(backoff);
  const longest = parseDuration(maxBackoff);
  let total = 0;
  for (let pause = 0; pause < limit; pause += 1) total += Math.min(longest, first * 2 ** pause);
  return total;
}

/** Its node has accepted it and should have told of its end. */
export function isOverdue(run: RunStatus, { command, now }: Observed): boolean {
  return run.acceptedAt !== undefined && lastPossibleEnd(run, command) < now;
}

/** Milliseconds until a deadline that this process keeps may pass; undefined: there is none. */
export function untilDeadline(run: RunStatus, observed: Observed): number | undefined {
  if (run.outcome !== undefined || run.suspendedAt !== undefined) return undefined;
  if (run.acceptedAt !== undefined) {
    if (isGone(observed.node)) return untilSilenceCounts(run, observed);
    return lastPossibleEnd(run, observed.command) + 1 - observed.now;
  }
  const startBy = startByOf(run, observed.command.spec);
  return startBy === undefined ? undefined : startBy - observed.now;
}

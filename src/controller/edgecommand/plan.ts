import { isDeepStrictEqual } from "node:util";
import type { EdgeCommandStatus, RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { cancelledUnsent, isBornCancelled } from "./born-cancelled.ts";
import {
  untilDeadline,
  withExtendedDeadline,
  withSilenceDeadline,
  withStartDeadline,
} from "./deadlines.ts";
import { withNodeAnswer } from "./node-answer.ts";
import type { Exchange, Observed } from "./observe.ts";
import { offerAt, offerOf, SETTLE_MS, type Offer } from "./offering.ts";
import { givenUp, offlineVerdict } from "./offline-policy.ts";
import { isWorthAWrite, progressOf, type Progress } from "./progress.ts";
import { isGivenUp } from "./given-up.ts";
import { withReport } from "./reported-run.ts";
import { declaredRuns, isFirm, type DeclaredRuns, type Runs } from "./run.ts";
import { statusOf } from "./status.ts";
import { withSuspension } from "./suspension.ts";
import { untilRemoval } from "./time-to-live.ts";

/** Deadlines are in wall-clock time, which may be set: no wait for one is longer than this. */
const LONGEST_WAIT_MS = 300_000;
/** What has ended waits for its removal only, and there may be many of them. */
const LONGEST_WAIT_FOR_REMOVAL_MS = 3_600_000;

export interface Plan {
  /** To be written before anything else is done. */
  readonly writeStatus?: EdgeCommandStatus;
  /** Tell the node to run it, or not to. */
  readonly offer?: Offer;
  /** Delete the resource: its time is up, and nothing is left to be told. */
  readonly remove?: true;
  /** Look again after this, even if nothing happens. */
  readonly requeueAfterMs?: number;
}

/**
 * What follows from what is known. Pure: the same observation, the same plan.
 *
 * GUARANTEES
 * - Reports become status before anything else is decided; receipts follow the write, not the plan.
 * - An edited resource, and one that is resumed, is offered only after its status names the run in etcd.
 * - A run is offered, or withdrawn, until its end is firm, and never after.
 */
export function plan(observed: Observed): Plan {
  const { command, revision, now } = observed;
  const declared = declaredRuns(command, revision, timestampOf(now));
  const reported = withReports(declared, observed);
  if (isFirm(reported.run)) return planOfEnd(reported, observed);
  if (isBornCancelled(command)) {
    return planOfEnd({ ...reported, run: cancelledUnsent(reported.run, now) }, observed);
  }
  const extended = withExtendedDeadline(reported.run, observed);
  const { run, isResumed } = withSuspension(extended, command.spec, timestampOf(now));
  const timed = withDeadlines(run, observed);
  const isRequestedNow = declared.isUnwritten || isResumed;
  const verdict = isRequestedNow ? offlineVerdict(timed, observed) : undefined;
  if (verdict?.kind === "undecided") {
    return requeueAfter([verdict.forMs, untilDeadline(timed, observed) ?? Infinity]);
  }
  const decided = verdict?.kind === "giveUp" ? givenUp(timed, verdict.outcome, observed) : timed;
  const runs = { run: decided, history: reported.history };
  if (decided.outcome !== undefined) return planOfEnd(runs, observed);
  const mustBeWritten = declared.mustBeWritten || isResumed;
  return planUnderWay({ ...runs, isUnwritten: declared.isUnwritten, mustBeWritten }, observed);
}

function withReports(declared: Runs, observed: Observed): Runs {
  const { reports, command } = observed;
  const word = freshWord(declared.run, observed);
  let runs: Runs = { run: declared.run, history: declared.history };
  for (const each of word === undefined ? reports : [word, ...reports]) {
    runs = withReport(runs, each, command);
  }
  return runs;
}

/**
 * The node's word on a run that goes on. Over an end that was said without the node it counts only as news;
 * of a run that was given up only the end counts.
 */
function freshWord(run: RunStatus, { exchange, node }: Observed): Exchange["report"] {
  if (run.outcome === undefined) return exchange.report;
  const isNews = node.kind === "present" && !exchange.isStale;
  return isNews && !isGivenUp(run) ? exchange.report : undefined;
}

function withDeadlines(run: RunStatus, observed: Observed): RunStatus {
  const answered = withNodeAnswer(run, observed);
  return withSilenceDeadline(withStartDeadline(answered, observed), observed);
}

function planOfEnd(runs: Runs, observed: Observed): Plan {
  const { command, reports } = observed;
  const written = write(runs, undefined, observed);
  const removalMs = untilRemoval(written.writeStatus ?? command.status, observed);
  const isOwed = isOwedAnEnd(runs.run, observed);
  const isOver = written.writeStatus === undefined && reports.length === 0 && !isOwed;
  if (removalMs !== undefined && removalMs <= 0 && isOver) return { remove: true };
  const offer = offerOf(runs.run, observed, false);
  const delays = [...offerDelay(runs.run, observed)];
  // What it is owed wakes it, however late that is.
  if (removalMs !== undefined && (removalMs > 0 || !isOwed)) {
    delays.push(Math.min(Math.max(1, removalMs), LONGEST_WAIT_FOR_REMOVAL_MS));
  }
  return { ...written, ...(offer === undefined ? {} : { offer }), ...requeueAfter(delays) };
}

/** The node that is there will say what became of it; one that accepted it and is silent, when it is back. */
function isOwedAnEnd(run: RunStatus, observed: Observed): boolean {
  if (isFirm(run)) return false;
  if (run.reason === "NodeSilent" || observed.node.kind === "arriving") return true;
  return observed.exchange.inFlight || offerAt(run, observed) !== undefined;
}

function planUnderWay(runs: DeclaredRuns, observed: Observed): Plan {
  const { run, isUnwritten } = runs;
  const progress = progressOf(run, observed);
  const mustWrite =
    runs.mustBeWritten || observed.reports.length > 0 || isToBeTakenUp(observed.command);
  const offer = offerOf(run, observed, isUnwritten);
  return {
    ...(mustWrite || isWorthAWrite(run, progress, observed) ? write(runs, progress, observed) : {}),
    ...(offer === undefined ? {} : { offer }),
    ...requeueAfter(delaysUnderWay(run, observed)),
  };
}

/** That the controller has seen it is all that is waited for: so it has to say so. */
function isToBeTakenUp({ spec, status, metadata }: Observed["command"]): boolean {
  return spec.readyWhen === "Declared" && status.observedGeneration !== metadata.generation;
}

function delaysUnderWay(run: RunStatus, observed: Observed): number[] {
  const { exchange, monotonic, brokerDownMs } = observed;
  const delays = [...offerDelay(run, observed)];
  if (brokerDownMs !== undefined) delays.push(SETTLE_MS - brokerDownMs);
  if (exchange.firstTryAt !== undefined) delays.push(exchange.firstTryAt + SETTLE_MS - monotonic);
  const deadline = untilDeadline(run, observed);
  if (deadline !== undefined) delays.push(Math.min(LONGEST_WAIT_MS, deadline));
  return delays;
}

function offerDelay(run: RunStatus, observed: Observed): number[] {
  const at = offerAt(run, observed);
  return at === undefined ? [] : [at - observed.monotonic];
}

function requeueAfter(delays: readonly number[]): Pick<Plan, "requeueAfterMs"> {
  const due = delays.filter((delay) => delay > 0);
  return due.length === 0 ? {} : { requeueAfterMs: Math.ceil(Math.min(...due)) };
}

function write(
  runs: Runs,
  progress: Progress | undefined,
  { command, now }: Observed,
): Pick<Plan, "writeStatus"> {
  const status = statusOf(command, runs, progress, timestampOf(now));
  return isDeepStrictEqual(status, command.status) ? {} : { writeStatus: status };
}

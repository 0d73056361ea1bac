import { isDeepStrictEqual } from "node:util";
import type { EdgeCommandStatus, RunStatus } from "../../api/v1alpha1/edgecommand.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { parseDuration } from "../../runtime/duration.ts";
import type { Exchange, NodeView, Observed } from "./observe.ts";
import { declaredRuns, isFirm, withReport, type Runs } from "./run.ts";
import { statusOf, type Progress } from "./status.ts";

/** Sent, Accepted and Running are written only when they last longer: a quick command costs one write. */
export const SETTLE_MS = 1_000;

/** Deadlines are in wall-clock time, which may be set: no wait for one is longer than this. */
const LONGEST_WAIT_MS = 300_000;

export interface Plan {
  /** To be written before anything else is done. */
  readonly writeStatus?: EdgeCommandStatus;
  /** Offer the run to the node, in its present session. */
  readonly offer?: {
    readonly run: RunStatus;
    readonly sessionID: string;
    readonly readLive: boolean;
  };
  /** Look again after this, even if nothing happens. */
  readonly requeueAfterMs?: number;
}

/**
 * What follows from what is known. Pure: the same observation, the same plan.
 *
 * GUARANTEES
 * - Reports become status before anything else is decided; receipts follow the write, not the plan.
 * - An edited resource is offered only after its status names the run in etcd.
 * - A run is offered until its end is firm, and never after.
 */
export function plan(observed: Observed): Plan {
  const declared = declaredRuns(observed.command, observed.revision, timestampOf(observed.now));
  const reported = withReports(declared, observed);
  if (isFirm(reported.run)) return write(observed, reported, undefined);
  const runs = { run: expired(reported.run, observed), history: reported.history };
  const progress = runs.run.outcome === undefined ? progressOf(runs.run, observed) : undefined;
  const offer = offerOf(runs.run, observed);
  const mustWrite =
    declared.mustBeWritten || runs.run.outcome !== undefined || observed.reports.length > 0;
  return {
    ...(mustWrite || isSettled(runs.run, progress, observed)
      ? write(observed, runs, progress)
      : {}),
    ...(offer === undefined ? {} : { offer }),
    ...requeue(runs.run, progress, observed),
  };
}

function withReports(declared: Runs, observed: Observed): Runs {
  const { report } = observed.exchange;
  const reports = report === undefined ? observed.reports : [report, ...observed.reports];
  let runs: Runs = { run: declared.run, history: declared.history };
  for (const each of reports) runs = withReport(runs, each);
  return runs;
}

/** Expired is said of a run only while no node has said that it accepted it, and its deadline is past. */
function expired(run: RunStatus, observed: Observed): RunStatus {
  if (run.acceptedAt !== undefined) return run;
  const { declared, revision, requestedAt } = run;
  const remaining = untilDeadline(run, observed);
  if (remaining === undefined || remaining > 0) {
    // It had expired, and whoever extended the deadline wants it after all.
    const { reason, message } = run;
    return run.outcome === undefined ? run : { declared, revision, requestedAt, reason, message };
  }
  if (run.outcome !== undefined) return run;
  return {
    declared,
    revision,
    requestedAt,
    finishedAt: timestampOf(observed.now),
    started: "Unknown",
    outcome: "Expired",
    summary: `expired${waitingFor(observed.node)}`,
    reason: "StartDeadlineExceeded",
    message:
      `Nothing was heard of a start within ${observed.command.spec.startDeadline}` +
      `${waitingFor(observed.node)}. If the node did start it in time, its word will replace this.`,
  };
}

function waitingFor(node: NodeView): string {
  switch (node.kind) {
    case "notFound":
      return ": there is no such EdgeNode";
    case "conflict":
    case "away":
      return `: ${node.message.replace(/\.$/, "")}`;
    case "arriving":
    case "present":
      return "";
    default:
      return node satisfies never;
  }
}

function progressOf(run: RunStatus, observed: Observed): Progress {
  if (run.acceptedAt !== undefined) {
    const phase = run.startedAt === undefined ? "Accepted" : "Running";
    return { phase, reason: run.reason, message: run.message };
  }
  return waiting(observed) ?? sent(observed);
}

function waiting({ command, node }: Observed): Progress | undefined {
  const { namespace } = command.metadata;
  const phase = "WaitingForNode";
  switch (node.kind) {
    case "notFound":
      return {
        phase,
        reason: "NodeNotFound",
        message: `There is no EdgeNode "${command.spec.nodeName}" in namespace "${namespace}"; it is sent as soon as that node registers.`,
      };
    case "conflict":
      return { phase, reason: "NodeNameConflict", message: node.message };
    case "away":
      return { phase, reason: "NodeAway", message: `${node.message} It is sent when it is back.` };
    case "arriving":
    case "present":
      return undefined;
    default:
      return node satisfies never;
  }
}

function sent({ brokerDownMs, exchange }: Observed): Progress {
  const phase = "Sent";
  if (exchange.ahead !== undefined) return behindItsNode(exchange.ahead);
  if (brokerDownMs !== undefined) {
    return {
      phase,
      reason: "BrokerUnavailable",
      message: "There is no connection to NATS; it is sent when there is one again.",
    };
  }
  const { failure } = exchange;
  if (failure !== undefined) return { phase, reason: failure.reason, message: failure.message };
  const message =
    exchange.tries === 0
      ? "It is about to be sent."
      : "It is sent; the node has not acknowledged it yet.";
  return { phase, reason: "AwaitingAck", message };
}

/** The cluster went back in time: nothing is sent until a person has looked. */
function behindItsNode({ kind, generation }: NonNullable<Exchange["ahead"]>): Progress {
  const restored = "Was etcd restored from a backup? Nothing is sent.";
  if (kind === "superseded") {
    return {
      phase: "Sent",
      reason: "Superseded",
      message: `The node knows a later resource of this name than the cluster does. ${restored} Delete it and create it again, or create it under a new name.`,
      stalled: true,
    };
  }
  return {
    phase: "Sent",
    reason: "NodeIsAhead",
    message: `The node knows this resource at generation ${generation} or later, the cluster does not. ${restored} Edit it beyond that generation, or create it under a new name.`,
    stalled: true,
  };
}

/** Whether progress has lasted long enough, or is of a kind that will, to be worth a write. */
function isSettled(run: RunStatus, progress: Progress | undefined, observed: Observed): boolean {
  if (progress === undefined || progress.phase === "WaitingForNode") return true;
  const { brokerDownMs, exchange, monotonic, node } = observed;
  if (progress.stalled === true) return true;
  if (brokerDownMs !== undefined) return brokerDownMs >= SETTLE_MS;
  // Nothing is asked of a node that is away: what it has accepted is as it was.
  if (run.acceptedAt !== undefined && node.kind !== "present") return true;
  if (exchange.firstTryAt === undefined || monotonic < exchange.firstTryAt + SETTLE_MS)
    return false;
  return !needsConfirmation(exchange) || exchange.failure !== undefined;
}

/** An ACK tells that a run is in the journal; whether it has started must be asked, once, if it lasts. */
function needsConfirmation({ report, confirmed }: Exchange): boolean {
  return report?.state === "Accepted" && !confirmed;
}

/** When the run is to be offered, on the monotonic clock; undefined: not as things are. */
function offerAt({ exchange, node, brokerDownMs }: Observed): number | undefined {
  if (node.kind !== "present" || brokerDownMs !== undefined) return undefined;
  if (exchange.inFlight || exchange.ahead !== undefined) return undefined;
  if (exchange.report === undefined || exchange.isStale) return exchange.dueAt;
  if (!needsConfirmation(exchange)) return undefined;
  return Math.max(exchange.dueAt, (exchange.firstTryAt ?? 0) + SETTLE_MS);
}

function offerOf(run: RunStatus, observed: Observed): Plan["offer"] {
  const { exchange, node, monotonic, command, revision } = observed;
  const at = offerAt(observed);
  if (at === undefined || at > monotonic || node.kind !== "present") return undefined;
  const mayHaveBeenSent = exchange.tries > 0 || command.status.run?.revision === revision;
  return { run, sessionID: node.sessionID, readLive: mayHaveBeenSent };
}

function requeue(
  run: RunStatus,
  progress: Progress | undefined,
  observed: Observed,
): Pick<Plan, "requeueAfterMs"> {
  const { exchange, monotonic, brokerDownMs } = observed;
  const delays: number[] = [];
  if (brokerDownMs !== undefined) delays.push(SETTLE_MS - brokerDownMs);
  const settled = exchange.firstTryAt === undefined ? 0 : exchange.firstTryAt + SETTLE_MS;
  if (progress !== undefined) delays.push(settled - monotonic);
  const deadline = untilDeadline(run, observed);
  if (deadline !== undefined && run.acceptedAt === undefined) delays.push(deadline);
  const offer = offerAt(observed);
  if (offer !== undefined) delays.push(offer - monotonic);
  const due = delays.filter((delay) => delay > 0);
  if (due.length === 0) return {};
  return { requeueAfterMs: Math.ceil(Math.min(LONGEST_WAIT_MS, ...due)) };
}

function untilDeadline(run: RunStatus, { command, now }: Observed): number | undefined {
  const { startDeadline } = command.spec;
  if (startDeadline === undefined) return undefined;
  return Date.parse(run.requestedAt) + parseDuration(startDeadline) - now;
}

function write(
  observed: Observed,
  runs: Runs,
  progress: Progress | undefined,
): Pick<Plan, "writeStatus"> {
  const status = statusOf(observed.command, runs, progress, timestampOf(observed.now));
  return isDeepStrictEqual(status, observed.command.status) ? {} : { writeStatus: status };
}

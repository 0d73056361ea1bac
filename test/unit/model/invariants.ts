import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import type { PastRun, RunStatus } from "../../../src/api/v1alpha1/edgecommand-status.ts";
import { HISTORY_LIMIT } from "../../../src/api/v1alpha1/edgecommand-status.ts";
import { revisionOf } from "../../../src/api/v1alpha1/revision.ts";
import { isBehindItsNode, isFirm } from "../../../src/controller/edgecommand/run.ts";
import { broken, isSame, type Truth } from "./truth.ts";

type Recorded = Pick<
  RunStatus | PastRun,
  "declared" | "revision" | "rerun" | "runID" | "started" | "outcome"
>;

function recordedIn({ status }: EdgeCommand): Recorded[] {
  const { run, history = [] } = status;
  return [...(run === undefined ? [] : [run]), ...history].filter(isFirm);
}

/** Holds every status against the truth, and against the one before it. */
export function checkStatus(truth: Truth, before: EdgeCommand, after: EdgeCommand): void {
  for (const each of recordedIn(after)) checkRecorded(truth, after, each);
  for (const each of recordedIn(before)) checkKept(each, after);
}

function checkRecorded(truth: Truth, { metadata }: EdgeCommand, recorded: Recorded): void {
  const { runID, started, outcome } = recorded;
  const words = `${metadata.name} (uid ${metadata.uid}) says that run ${runID} is ${outcome}, started ${started}`;
  if (runID === undefined) {
    if (started !== "False") broken(`${words}, on nobody's word`);
    return;
  }
  if (!truth.owned(runID, metadata.uid)) broken(`${words}, and it was another resource's`);
  const result = truth.resultOf(runID);
  if (result === undefined) return broken(`${words}, and the node never said so`);
  // Given up for the node's absence: that stays its outcome when the node has confirmed it.
  const isGivenUp = started === "False" && (outcome === "Skipped" || outcome === "Failed");
  if ((outcome !== result.outcome && !isGivenUp) || started !== result.started) {
    broken(`${words}, and the node said ${result.outcome}, started ${result.started}`);
  }
  if (started === "False") truth.neverStarts(runID);
  truth.stored(runID);
}

function checkKept(recorded: Recorded, after: EdgeCommand): void {
  const kept = recordedIn(after).some((each) => isSameRun(each, recorded));
  const { history = [] } = after.status;
  if (kept || history.length >= HISTORY_LIMIT) return;
  broken(`${after.metadata.name} forgot run ${recorded.runID} (declared ${recorded.declared})`);
}

function isSameRun(each: Recorded, recorded: Recorded): boolean {
  const isOne =
    recorded.runID === undefined
      ? each.declared === recorded.declared && each.revision === recorded.revision
      : each.runID === recorded.runID;
  // The history has the node's own word for what was given up because it was away.
  const isGivenUp = each.started === "False" && each.outcome === "Cancelled";
  return (
    isOne && (each.outcome === recorded.outcome || isGivenUp) && each.started === recorded.started
  );
}

/** What happened that excuses a command that stays open, or did not run. */
export interface Excuses {
  readonly wasRestored: boolean;
  readonly ledgerWasLost: boolean;
}

/** Why a command is not where it has to be when everything works and nobody changes anything. */
export function unsettled(
  command: EdgeCommand,
  truth: Truth,
  excuses: Excuses,
): string | undefined {
  const { spec, status, metadata } = command;
  const { run } = status;
  const words = `${metadata.name} (uid ${metadata.uid})`;
  if (run === undefined) return spec.suspend ? undefined : `${words} was never taken up`;
  const what = { revision: revisionOf(spec), rerun: spec.rerun };
  if (!isSame(what, run)) {
    return isExcused(command, excuses) ? undefined : `${words} does not name what is declared`;
  }
  if (!isFirm(run)) {
    return isExcused(command, excuses) ? undefined : `${words} is ${status.phase}: ${run.reason}`;
  }
  const untrue =
    run.started === "False" ? neverRan(command, excuses) : ran(command, truth, excuses);
  return untrue && `${words} ${untrue}`;
}

function neverRan(command: EdgeCommand, excuses: Excuses): string | undefined {
  const { run } = command.status;
  return mayStayUndone(command, excuses) ? undefined : `never ran: ${run?.outcome}, ${run?.reason}`;
}

function ran(
  { metadata, status }: EdgeCommand,
  truth: Truth,
  excuses: Excuses,
): string | undefined {
  const { run } = status;
  if (run?.started !== "True" || run.runID === undefined) return undefined;
  if (!truth.hasStarted(run.runID)) return "says that it ran, and it did not";
  const last = truth.lastStarted(metadata.name);
  const isLast = last === undefined || isSame(run, last);
  return isLast || excuses.wasRestored ? undefined : "ran, and something else after it";
}

function isExcused({ spec, status }: EdgeCommand, excuses: Excuses): boolean {
  if (spec.suspend) return true;
  if (excuses.wasRestored && isStalled(status)) return true;
  return excuses.ledgerWasLost && status.run?.outcome !== undefined;
}

/** The cluster went back in time, nobody has acted since, and it says so; or it had ended without the node. */
function isStalled({ run, conditions = [] }: EdgeCommand["status"]): boolean {
  if (run === undefined) return false;
  const hasRow = run.nodeRow !== undefined;
  if (hasRow && !isBehindItsNode(run)) return false;
  if (run.outcome !== undefined) return true;
  const isSaid = conditions.some(({ type, status }) => type === "Stalled" && status === "True");
  return isSaid && (hasRow || run.reason === "Superseded");
}

/** Somebody wanted it so, at least for a while: cancel, a deadline, a node that was not to be waited for. */
function mayStayUndone({ spec, status }: EdgeCommand, { wasRestored }: Excuses): boolean {
  const { outcome, reason } = status.run ?? {};
  // What took its place may be what a restore has made undone.
  if (outcome === "Cancelled") return reason !== "Replaced" || wasRestored;
  if (outcome === "Expired") return spec.startDeadline !== undefined;
  if (outcome === "Skipped") return spec.offlinePolicy === "Skip";
  return outcome === "Failed" && reason === "NodeAway" && spec.offlinePolicy === "Fail";
}

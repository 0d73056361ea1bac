import type {
  EdgeCommandStatus,
  Outcome,
  Phase,
  RunStatus,
} from "../../api/v1alpha1/edgecommand-status.ts";
import type { EventClaim } from "../ports.ts";

const FAILURES: ReadonlySet<Outcome | undefined> = new Set<Outcome>([
  "Failed",
  "TimedOut",
  "Rejected",
  "Interrupted",
  "Expired",
  "Unknown",
]);
const WANTED: ReadonlySet<Outcome | undefined> = new Set<Outcome>(["Cancelled", "Skipped"]);

/** Why something waits that somebody wanted so. */
const AS_WANTED: ReadonlySet<string> = new Set(["NodeAway", "CancelRequested"]);
const NO_TROUBLE: ReadonlySet<string> = new Set(["AwaitingAck", "CancelRequested"]);

/**
 * What of a status change a person should notice. A success as expected is in the status and makes no
 * Event: it would cost the API server half of the command again.
 */
export function eventFor(
  before: EdgeCommandStatus,
  after: EdgeCommandStatus,
): EventClaim | undefined {
  const { run } = after;
  if (run === undefined || !isNews(before, after)) return undefined;
  const note = run.stdout === undefined ? run.message : (run.summary ?? run.message);
  if (isLateWord(before.run, run)) return lateWord(run, note);
  return run.outcome === undefined
    ? eventOfProgress(run.reason, after.phase, note)
    : eventOfEnd(run, run.outcome, note);
}

/** The node's word takes the place of an end that was said without it. */
function isLateWord(before: RunStatus | undefined, run: RunStatus): boolean {
  if (before?.outcome === undefined || before.declared !== run.declared) return false;
  return before.outcome !== run.outcome && run.runID !== undefined && run.outcome !== "Unknown";
}

function lateWord(run: RunStatus, note: string): EventClaim {
  const type = FAILURES.has(run.outcome) ? "Warning" : "Normal";
  return { type, reason: "LateResult", action: "Run", note };
}

function eventOfProgress(
  reason: string,
  phase: Phase | undefined,
  note: string,
): EventClaim | undefined {
  if (phase === "WaitingForNode") {
    const type = AS_WANTED.has(reason) ? "Normal" : "Warning";
    return { type, reason, action: "Wait", note };
  }
  const isTrouble = phase === "Sent" && !NO_TROUBLE.has(reason);
  return isTrouble ? { type: "Warning", reason, action: "Send", note } : undefined;
}

function eventOfEnd(run: RunStatus, outcome: Outcome, note: string): EventClaim | undefined {
  const action = "Run";
  if (run.reason === "AlreadyRan") return { type: "Normal", reason: run.reason, action, note };
  if (FAILURES.has(outcome)) return { type: "Warning", reason: outcome, action, note };
  return WANTED.has(outcome) ? { type: "Normal", reason: outcome, action, note } : undefined;
}

function isNews(before: EdgeCommandStatus, after: EdgeCommandStatus): boolean {
  return (
    before.phase !== after.phase ||
    before.run?.reason !== after.run?.reason ||
    before.run?.declared !== after.run?.declared
  );
}

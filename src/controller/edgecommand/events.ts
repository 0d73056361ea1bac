import type {
  EdgeCommandStatus,
  Outcome,
  Phase,
  RunStatus,
} from "../../api/v1alpha1/edgecommand.ts";
import type { EventClaim } from "../ports.ts";

const FAILURES: ReadonlySet<Outcome | undefined> = new Set<Outcome>([
  "Failed",
  "TimedOut",
  "Rejected",
  "Interrupted",
  "Expired",
]);

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
  return run.outcome === undefined
    ? eventOfProgress(run.reason, after.phase, note)
    : eventOfEnd(run, before, note);
}

function eventOfProgress(
  reason: string,
  phase: Phase | undefined,
  note: string,
): EventClaim | undefined {
  if (phase === "WaitingForNode") {
    const type = reason === "NodeAway" ? "Normal" : "Warning";
    return { type, reason, action: "Wait", note };
  }
  const isTrouble = phase === "Sent" && reason !== "AwaitingAck";
  return isTrouble ? { type: "Warning", reason, action: "Send", note } : undefined;
}

function eventOfEnd(
  run: RunStatus,
  before: EdgeCommandStatus,
  note: string,
): EventClaim | undefined {
  const action = "Run";
  if (run.reason === "AlreadyRan") return { type: "Normal", reason: run.reason, action, note };
  if (FAILURES.has(run.outcome))
    return { type: "Warning", reason: run.outcome ?? "", action, note };
  const wasExpired = before.run?.outcome === "Expired" && before.run.declared === run.declared;
  return wasExpired ? { type: "Normal", reason: "LateResult", action, note } : undefined;
}

function isNews(before: EdgeCommandStatus, after: EdgeCommandStatus): boolean {
  return (
    before.phase !== after.phase ||
    before.run?.reason !== after.run?.reason ||
    before.run?.declared !== after.run?.declared
  );
}

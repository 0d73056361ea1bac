import type { ConditionClaim } from "../../api/conditions.ts";
import type { EdgeCommandSpec } from "../../api/v1alpha1/edgecommand.ts";
import type { Outcome, RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import type { Progress } from "./progress.ts";
import { cutText } from "./text.ts";

type ReadyWhen = EdgeCommandSpec["readyWhen"];
type Text = Pick<ConditionClaim, "reason" | "message">;

/**
 * The conditions of a run: what it is to people (Accepted, Completed, Succeeded), which nothing bends, and
 * what kstatus (Flux, Argo CD, Helm) makes of it (Ready, Reconciling, Stalled), which spec.readyWhen brings
 * forward.
 */
export function conditionsOf(
  run: RunStatus,
  progress: Progress | undefined,
  readyWhen: ReadyWhen,
): ConditionClaim[] {
  const text = { reason: run.reason, message: cutText(run.message, 512) };
  return [...truth(run, text), ...readiness(run, progress, { readyWhen, text })];
}

function truth(run: RunStatus, text: Text): ConditionClaim[] {
  const { outcome } = run;
  const completed: ConditionClaim =
    outcome === undefined
      ? { type: "Completed", status: "False", ...text }
      : { type: "Completed", status: "True", reason: outcome, message: text.message };
  return [
    { type: "Accepted", ...acceptance(run) },
    completed,
    { type: "Succeeded", status: success(outcome), ...text },
  ];
}

function acceptance(run: RunStatus): Omit<ConditionClaim, "type"> {
  if (run.acceptedAt !== undefined) {
    return { status: "True", reason: "Acknowledged", message: "The node's journal has it." };
  }
  return { status: "False", reason: "NotAcknowledged", message: "The node has not said so." };
}

function success(outcome: Outcome | undefined): ConditionClaim["status"] {
  if (outcome === undefined || outcome === "Unknown") return "Unknown";
  return outcome === "Succeeded" ? "True" : "False";
}

interface Wanted {
  readonly readyWhen: ReadyWhen;
  readonly text: Text;
}

function readiness(
  run: RunStatus,
  progress: Progress | undefined,
  { readyWhen, text }: Wanted,
): ConditionClaim[] {
  // Nobody waits for what is held back: without these three kstatus takes it for current.
  if (progress?.phase === "Suspended") return [];
  const early = readyEarly(run, readyWhen);
  if (early !== undefined) return [{ type: "Ready", status: "True", ...early }];
  if (run.outcome === undefined) {
    const goesOn = progress?.stalled !== true;
    return notReady(goesOn ? "Reconciling" : "Stalled", text);
  }
  if (isReadyAtEnd(run, run.outcome)) return [{ type: "Ready", status: "True", ...text }];
  return notReady("Stalled", text);
}

function notReady(why: "Reconciling" | "Stalled", text: Text): ConditionClaim[] {
  return [
    { type: "Ready", status: "False", ...text },
    { type: why, status: "True", ...text },
  ];
}

/** What was asked for is reached before the end, and stays so whatever the end is. */
function readyEarly(run: RunStatus, readyWhen: ReadyWhen): Text | undefined {
  switch (readyWhen) {
    case "Succeeded":
      return undefined;
    case "Accepted":
      // A node that rejects it writes that down, too.
      if (run.acceptedAt === undefined || run.outcome === "Rejected") return undefined;
      return { reason: "Accepted", message: "The node's journal has it." };
    case "Declared":
      return { reason: "Declared", message: "The controller has taken it up." };
    default:
      return readyWhen satisfies never;
  }
}

/** Done, or in need of a person. */
const READY: Readonly<Record<Outcome, boolean>> = {
  Succeeded: true,
  Failed: false,
  TimedOut: false,
  Rejected: false,
  Interrupted: false,
  Expired: false,
  Unknown: false,
  /** Somebody wanted it so. */
  Cancelled: true,
  Skipped: true,
};

/** Cancelled as wanted, unless that was for an earlier resource: this one wants it and it did not finish. */
function isReadyAtEnd(run: RunStatus, outcome: Outcome): boolean {
  return READY[outcome] && !(outcome === "Cancelled" && run.reason === "AlreadyRan");
}

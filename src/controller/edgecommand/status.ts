import { setConditions, type ConditionClaim } from "../../api/conditions.ts";
import type {
  EdgeCommand,
  EdgeCommandStatus,
  Outcome,
  Phase,
  RunStatus,
} from "../../api/v1alpha1/edgecommand.ts";
import type { Runs } from "./run.ts";
import { cutText } from "./text.ts";

/** Where a run is that has not ended: what the node's word, or its absence, makes of it. */
export interface Progress {
  readonly phase: "WaitingForNode" | "Sent" | "Accepted" | "Running";
  readonly reason: string;
  readonly message: string;
  /** Nothing goes on until a person acts. */
  readonly stalled?: boolean;
}

/**
 * The whole status of an EdgeCommand, computed in this one place from its runs and, while the latest has
 * not ended, from where it is. Serialised it stays below 16 KiB, whatever a command prints: the bounds of
 * `protocol/output.ts`, of the texts cut here and in `run.ts`, and of the history add up to less.
 */
export function statusOf(
  command: EdgeCommand,
  runs: Runs,
  progress: Progress | undefined,
  now: string,
): EdgeCommandStatus {
  const run = withProgress(runs.run, progress);
  const phase: Phase = run.outcome ?? progress?.phase ?? "Pending";
  const { generation } = command.metadata;
  const context = { observedGeneration: generation, now };
  return {
    observedGeneration: generation,
    phase,
    run,
    ...(runs.history.length === 0 ? {} : { history: [...runs.history] }),
    conditions: setConditions(command.status.conditions ?? [], claims(run, progress), context),
  };
}

/** The status of a resource whose spec this controller cannot read. */
export function unreadableStatus(
  command: EdgeCommand,
  problem: string,
  now: string,
): EdgeCommandStatus {
  const { generation } = command.metadata;
  const text = { reason: "InvalidSpec", message: cutText(problem, 512) };
  return {
    ...command.status,
    observedGeneration: generation,
    conditions: setConditions(
      command.status.conditions ?? [],
      [
        { type: "Ready", status: "False", ...text },
        { type: "Stalled", status: "True", ...text },
      ],
      { observedGeneration: generation, now },
    ),
  };
}

function withProgress(run: RunStatus, progress: Progress | undefined): RunStatus {
  if (run.outcome !== undefined || progress === undefined) return run;
  return { ...run, reason: progress.reason, message: cutText(progress.message, 1024) };
}

/** What an outcome means to kstatus (Flux, Argo CD, Helm): done, or in need of a person. */
const READY: Readonly<Record<Outcome, boolean>> = {
  Succeeded: true,
  Failed: false,
  TimedOut: false,
  Rejected: false,
  Interrupted: false,
  Expired: false,
  /** Somebody wanted it so. */
  Cancelled: true,
};

function claims(run: RunStatus, progress: Progress | undefined): ConditionClaim[] {
  const text = { reason: run.reason, message: cutText(run.message, 512) };
  const { outcome } = run;
  if (outcome !== undefined) return ended(run, outcome, text);
  const stalled = progress?.stalled === true;
  return [
    { type: "Accepted", ...acceptance(run) },
    { type: "Completed", status: "False", ...text },
    { type: "Ready", status: "False", ...text },
    { type: stalled ? "Stalled" : "Reconciling", status: "True", ...text },
    { type: "Succeeded", status: "Unknown", ...text },
  ];
}

type Text = Pick<ConditionClaim, "reason" | "message">;

function ended(run: RunStatus, outcome: Outcome, text: Text): ConditionClaim[] {
  // Cancelled as wanted, unless that was for an earlier resource: this one wants it and it did not finish.
  const ready = READY[outcome] && !(outcome === "Cancelled" && run.reason === "AlreadyRan");
  const succeeded = outcome === "Succeeded";
  return [
    { type: "Accepted", ...acceptance(run) },
    { type: "Completed", status: "True", reason: outcome, message: text.message },
    { type: "Ready", status: ready ? "True" : "False", ...text },
    ...(ready ? [] : [{ type: "Stalled", status: "True" as const, ...text }]),
    { type: "Succeeded", status: succeeded ? "True" : "False", ...text },
  ];
}

function acceptance(run: RunStatus): Omit<ConditionClaim, "type"> {
  if (run.acceptedAt !== undefined) {
    return { status: "True", reason: "Acknowledged", message: "The node's journal has it." };
  }
  return { status: "False", reason: "NotAcknowledged", message: "The node has not said so." };
}

import type { RunResult } from "../protocol/run.ts";
import { formatDuration } from "../runtime/duration.ts";

/** How a run ended: its result but for the time, which is added when it is recorded. */
export type RunEnd = Omit<RunResult, "finishedAt">;

/** Why the agent ends a run. */
export interface EndCause {
  readonly outcome: "TimedOut" | "Cancelled" | "Interrupted" | "Expired";
  readonly reason: string;
  readonly message: string;
}

export const REPLACED: EndCause = {
  outcome: "Cancelled",
  reason: "Replaced",
  message: "A later revision took its place.",
};

export const AGENT_STOPPED: EndCause = {
  outcome: "Interrupted",
  reason: "AgentStopped",
  message: "The agent was stopped while it ran.",
};

export const START_DEADLINE_EXCEEDED: EndCause = {
  outcome: "Expired",
  reason: "StartDeadlineExceeded",
  message: "Its start deadline passed before the node could start it.",
};

export function timedOut(timeoutMs: number): EndCause {
  return {
    outcome: "TimedOut",
    reason: "Timeout",
    message: `It was ended after its timeout of ${formatDuration(timeoutMs)}.`,
  };
}

/** The end of a run that was not started and will not be. */
export function unstarted(cause: EndCause): RunEnd {
  return { ...cause, started: "False" };
}

/** The end of a run that this node cannot do. */
export function rejected(reason: "UnknownMethod" | "InvalidArguments", message: string): RunEnd {
  return { outcome: "Rejected", started: "False", reason, message: message.slice(0, 1_024) };
}

/** How a process ended: with a status, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/**
 * What the exit of a run's own process makes of the run. `cause` is why it was ended, if the agent ended
 * it: then its status says nothing about the command.
 */
export function endOfExit(
  { code, signal }: Exit,
  successExitCodes: readonly number[],
  cause: EndCause | undefined,
): RunEnd {
  const how = {
    started: "True" as const,
    ...(code === null ? {} : { exitCode: code }),
    ...(signal === null ? {} : { signal }),
  };
  if (cause !== undefined) return { ...how, ...cause };
  if (signal !== null) {
    return {
      ...how,
      outcome: "Failed",
      reason: "Signalled",
      message: `It was ended by ${signal}, which the agent did not send.`,
    };
  }
  const message = `It exited with ${code}.`;
  if (code !== null && successExitCodes.includes(code)) {
    return { ...how, outcome: "Succeeded", reason: "Completed", message };
  }
  return { ...how, outcome: "Failed", reason: "NonZeroExit", message };
}

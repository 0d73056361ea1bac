import type { RunResult } from "../protocol/run.ts";
import { formatDuration } from "../runtime/duration.ts";

/** Longest message that a result takes. */
const MAX_MESSAGE = 1_024;

/** How a run ended: its result but for the time, which is added when it is recorded. */
export type RunEnd = Omit<RunResult, "finishedAt">;

/** Why the agent ends a run. */
export interface EndCause {
  readonly outcome: "TimedOut" | "Cancelled" | "Expired";
  readonly reason: string;
  readonly message: string;
}

export const REPLACED: EndCause = {
  outcome: "Cancelled",
  reason: "Replaced",
  message: "A later revision took its place.",
};

export const CANCELLED: EndCause = {
  outcome: "Cancelled",
  reason: "Cancelled",
  message: "It was cancelled.",
};

export const DELETED: EndCause = {
  outcome: "Cancelled",
  reason: "Deleted",
  message: "Its resource was deleted.",
};

/** Why somebody may want a run ended: what the ledger remembers of a run that is under way. */
export const WITHDRAWALS: readonly EndCause[] = [REPLACED, CANCELLED, DELETED];

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

/** The end of an attempt that was started and left nothing to be followed by. */
export const FILES_LOST: RunEnd = {
  outcome: "Failed",
  started: "True",
  reason: "FilesLost",
  message: "Its files on the node were removed while it ran: how it ended is not known.",
};

/** What is told of an attempt whose wrapper was killed while there was no agent to see what became of it. */
export const WRAPPER_KILLED = {
  reason: "WrapperKilled",
  message:
    "What kept it was killed while no agent was there: the command may have gone on by itself.",
} as const;

/** The end of a run that was not started and will not be. */
export function unstarted(cause: EndCause): RunEnd {
  return { ...cause, started: "False" };
}

/** The end of a run that waits: what is true of its last attempt, if there was one, stays true. */
export function withdrawn(cause: EndCause, lastEnd: RunEnd | undefined): RunEnd {
  return lastEnd === undefined ? unstarted(cause) : { ...lastEnd, ...cause };
}

/** Whether a run was ever started, from the latest attempt and what the attempts before it came to. */
export function withStartOf(end: RunEnd, earlier: RunEnd | undefined): RunEnd {
  const either = [end.started, earlier?.started];
  const certainty = (["True", "Unknown"] as const).find((started) => either.includes(started));
  return { ...end, started: certainty ?? "False" };
}

/** The end of a run whose last attempt ended like this, although it might have had another. */
export function withoutFurtherAttempt<E extends RunEnd>(end: E, why: string): E {
  const message = `${end.message} No further attempt was made: ${why}.`;
  return { ...end, message: message.slice(0, MAX_MESSAGE) };
}

/** The end of a run that is not started any more: what its last attempt came to, if there was one, stays true. */
export function withLastEnd<E extends RunEnd>(end: RunEnd, lastEnd: E | undefined): RunEnd | E {
  if (lastEnd === undefined) return end;
  const message = `${lastEnd.message} No further attempt was made. ${end.message}`;
  return { ...lastEnd, message: message.slice(0, MAX_MESSAGE) };
}

/** Why a node does not do what it is told to. */
export type RejectionReason =
  | "UnknownMethod"
  | "InvalidArguments"
  | "PolicyDenied"
  | "CannotRunAs"
  | "SealedInputsUnreadable";

/** The end of a run that this node does not do. */
export function rejected(reason: RejectionReason, message: string): RunEnd {
  return { outcome: "Rejected", started: "False", reason, message: message.slice(0, MAX_MESSAGE) };
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

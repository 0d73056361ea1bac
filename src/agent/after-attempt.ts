import type { CommandTerms } from "../protocol/command.ts";
import { backoffMs } from "../runtime/backoff.ts";
import type { Random } from "../runtime/random.ts";
import {
  FILES_LOST,
  withoutFurtherAttempt,
  withStartOf,
  WRAPPER_KILLED,
  type RunEnd,
} from "./run-end.ts";

/** Reasons of ends that nobody saw. */
const UNSEEN: ReadonlySet<string> = new Set([FILES_LOST.reason, WRAPPER_KILLED.reason]);

/** What decides about a further attempt, beside how the last one ended. */
export interface EndedAttempt {
  /** How many there were, this one included. */
  readonly attempts: number;
  readonly terms: Pick<CommandTerms, "retry" | "idempotent" | "startBy">;
  /** How the attempt before ended, if there was one. */
  readonly lastEnd: RunEnd | undefined;
  /** Of an instant method: see Method. */
  readonly isInstant: boolean;
}

export type Following =
  /** It was the last one: the run is over. */
  | { readonly kind: "finish"; readonly end: RunEnd }
  /** Another one, not before a moment in milliseconds of the controller's time. */
  | { readonly kind: "retry"; readonly end: RunEnd; readonly notBefore: number };

/**
 * What follows an attempt that ended at `now`, in milliseconds of the controller's time. Its end comes back
 * with what stays true of the attempts before it. Pure but for `random`.
 */
export function afterAttempt(
  end: RunEnd,
  attempt: EndedAttempt,
  now: number,
  random: Random,
): Following {
  const whole = withStartOf(end, attempt.lastEnd);
  if (end.outcome === "Interrupted" && attempt.isInstant) {
    return { kind: "retry", end: whole, notBefore: now };
  }
  const { retry, startBy } = attempt.terms;
  if (!mayBeRepeated(end, attempt) || attempt.attempts > retry.limit) {
    return { kind: "finish", end: whole };
  }
  const policy = { initialMs: retry.backoffMs, maxMs: retry.maxBackoffMs };
  const notBefore = now + backoffMs(policy, attempt.attempts - 1, random);
  if (startBy !== undefined && notBefore > Date.parse(startBy)) {
    const why = "its start deadline comes before it could be made";
    return { kind: "finish", end: withoutFurtherAttempt(whole, why) };
  }
  return { kind: "retry", end: whole, notBefore };
}

function mayBeRepeated({ outcome, reason }: RunEnd, { terms }: EndedAttempt): boolean {
  // It may have succeeded, for all that anybody knows.
  if (UNSEEN.has(reason)) return terms.idempotent;
  switch (outcome) {
    case "Failed":
    case "TimedOut":
      return true;
    case "Interrupted":
      return terms.idempotent;
    case "Succeeded":
    case "Rejected":
    case "Expired":
    case "Cancelled":
      return false;
    default:
      return outcome satisfies never;
  }
}

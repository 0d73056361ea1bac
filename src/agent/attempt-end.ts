import { setImmediate as nextTurn } from "node:timers/promises";
import type { CommandTerms } from "../protocol/command.ts";
import type { Clock } from "../runtime/clock.ts";
import type { AttemptFolder } from "./attempt-folder.ts";
import { endAttempt, isAnyLeft, killAttempt, type AttemptProcesses } from "./attempt-processes.ts";
import { removeCgroup } from "./cgroup.ts";
import type { EndRequest } from "./end-request.ts";
import { exitOf } from "./exit-status.ts";
import type { LastWords } from "./last-words.ts";
import { guardLeftovers } from "./leftover-guard.ts";
import { endOfExit, timedOut, type EndCause, type Exit, type RunEnd } from "./run-end.ts";
import { forkFailure, spoolUnavailable } from "./spawn-failure.ts";
import { outputsOf, tooLarge, type OutputTooLarge } from "./spooled-output.ts";

/** How often the sizes of the output are looked at. */
const SIZE_LOOK_MS = 250;

/** That a wrapper is over. */
export interface WrapperOver {
  /** Its own exit status; null if it has none, or if it was another's child. */
  readonly code: number | null;
  /** On the monotonic clock; absent if it was over before this agent looked. */
  readonly at?: number;
}

/** An attempt that has its wrapper. */
export interface Attempt {
  readonly terms: CommandTerms;
  readonly deadline: number;
  readonly end: EndRequest;
  readonly folder: AttemptFolder;
  readonly words: LastWords;
  readonly processes: AttemptProcesses;
  readonly over: Promise<WrapperOver>;
}

export interface AttemptLimits {
  readonly clock: Clock;
  readonly killGraceMs: number;
  readonly maxOutputBytes: number;
}

type Cause = EndCause | OutputTooLarge;

/** Sees an attempt to its end, or brings it about, and says how it was. */
export async function endOfAttempt(attempt: Attempt, limits: AttemptLimits): Promise<RunEnd> {
  try {
    return await seenToItsEnd(attempt, limits);
  } finally {
    attempt.words.close();
  }
}

async function seenToItsEnd(attempt: Attempt, limits: AttemptLimits): Promise<RunEnd> {
  const { terms, folder, processes, words } = attempt;
  const { clock, killGraceMs, maxOutputBytes } = limits;
  const asked = await firstCause(attempt, limits);
  if (asked !== undefined) await endAttempt(processes, killGraceMs, clock);
  const over = await attempt.over;
  const exit = exitBy(words, over.code);
  if (exit === "unstarted") {
    if (processes.cgroup !== undefined) removeCgroup(processes.cgroup);
    return neverStarted(words, asked);
  }
  // Nobody would keep what goes on without its wrapper.
  if (exit === "killed" && asked === undefined) await killAttempt(processes, clock);
  const cause = asked ?? tooLarge(folder, maxOutputBytes);
  const outputs = await outputsOf(folder, terms.inlineBytes, maxOutputBytes);
  leave(attempt, limits);
  const how = exit === "killed" ? { code: null, signal: "SIGKILL" } : exit;
  return {
    ...endOfExit(how, terms.successExitCodes, undefined),
    ...cause,
    ...durationOf(attempt, over),
    ...outputs,
  };
}

/** Waits for the exit, the time-out, the owner or too much output: why the run is to be ended, if it is. */
async function firstCause(attempt: Attempt, limits: AttemptLimits): Promise<Cause | undefined> {
  const { terms, deadline, end, folder } = attempt;
  const { clock, maxOutputBytes } = limits;
  const over = new AbortController();
  const watching = AbortSignal.any([over.signal, end.signal]);
  void attempt.over.then(() => over.abort());
  // What was over before this agent looked is not to be ended, however late it is.
  await nextTurn();
  const left = (): number => deadline - clock.monotonic();
  let excess: OutputTooLarge | undefined;
  while (!watching.aborted && left() > 0 && excess === undefined) {
    await clock.sleep(Math.min(left(), SIZE_LOOK_MS), watching);
    if (!watching.aborted) excess = tooLarge(folder, maxOutputBytes);
  }
  // After a long stall of this process the timer comes first: an exit in time gets its turn.
  await nextTurn();
  if (over.signal.aborted) return undefined;
  return end.cause ?? excess ?? timedOut(terms.timeoutMs);
}

/**
 * How the command ended, by its wrapper's last words. `code`: the wrapper's own exit status, if it is known,
 * which is the command's; it tells where the disk did not take the last of them.
 */
function exitBy(words: LastWords, code: number | null): Exit | "killed" | "unstarted" {
  const progress = words.progress();
  if (progress === "unbegun" || progress === "none") return "unstarted";
  const status = progress === "begun" ? code : progress;
  return status === null ? "killed" : exitOf(status, words.spoke());
}

/** The end of an attempt whose wrapper is over and ran nothing. */
function neverStarted(words: LastWords, cause: Cause | undefined): RunEnd {
  if (words.progress() === "none") return forkFailure();
  if (cause !== undefined) return { ...cause, started: "False" };
  return spoolUnavailable("its shell ended before it had begun");
}

/** Lets go of an attempt that is over. */
function leave({ processes, folder }: Attempt, { clock, maxOutputBytes }: AttemptLimits): void {
  if (isAnyLeft(processes)) void guardLeftovers(processes, folder, maxOutputBytes, clock);
  else if (processes.cgroup !== undefined) removeCgroup(processes.cgroup);
}

function durationOf({ deadline, terms }: Attempt, { at }: WrapperOver): Pick<RunEnd, "durationMs"> {
  if (at === undefined) return {};
  return { durationMs: Math.max(0, Math.round(at - (deadline - terms.timeoutMs))) };
}

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
import type { Redaction } from "./redactor.ts";
import {
  endOfExit,
  FILES_LOST,
  timedOut,
  WRAPPER_KILLED,
  type EndCause,
  type Exit,
  type RunEnd,
} from "./run-end.ts";
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
  readonly redaction?: Redaction | "withheld" | undefined;
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
  const { processes, words } = attempt;
  const { clock, killGraceMs } = limits;
  const asked = await firstCause(attempt, limits);
  if (asked?.outcome === "TimedOut") attempt.folder.noteTimeUp();
  if (asked !== undefined) await endAttempt(processes, killGraceMs, clock);
  const over = await attempt.over;
  const exit = exitBy(words, over.code);
  if (exit === "lost") {
    await killAttempt(processes, clock);
    return { ...FILES_LOST, ...asked };
  }
  if (exit === "unstarted") {
    if (processes.cgroup !== undefined) removeCgroup(processes.cgroup);
    return neverStarted(words, asked);
  }
  return ended(attempt, limits, { asked, over, exit });
}

interface Ended {
  /** Why this agent ended it, if it did. */
  readonly asked: Cause | undefined;
  readonly over: WrapperOver;
  readonly exit: Exit | "killed";
}

async function ended(
  attempt: Attempt,
  limits: AttemptLimits,
  { asked, over, exit }: Ended,
): Promise<RunEnd> {
  const { terms, folder, processes, redaction } = attempt;
  const { clock, maxOutputBytes } = limits;
  const wasSeen = asked !== undefined || over.at !== undefined;
  // The agent that wrote down that it is to be ended may have got as far as asking it to.
  const left = wasSeen ? undefined : (attempt.end.cause ?? timeUp(attempt));
  // Nobody would keep what goes on without its wrapper.
  const isUnkept = exit === "killed" || left !== undefined;
  if (asked === undefined && isUnkept) await killAttempt(processes, clock);
  const { inlineBytes } = terms;
  const outputs = await outputsOf(folder, { inlineBytes, maxBytes: maxOutputBytes, redaction });
  leave(attempt, limits);
  const byItself = endByItself(exit, wasSeen, terms);
  const cause = asked ?? (byItself.outcome === "Succeeded" ? undefined : left);
  return {
    ...byItself,
    ...(cause ?? tooLarge(folder, maxOutputBytes)),
    ...durationOf(attempt, over),
    ...outputs,
  };
}

/** An earlier agent had begun to end it, since its time was up. */
function timeUp({ folder, terms }: Attempt): EndCause | undefined {
  return folder.isTimeUp() ? timedOut(terms.timeoutMs) : undefined;
}

/** How it ended if nobody asked it to. A command that went on without its wrapper ended unseen. */
function endByItself(exit: Exit | "killed", wasSeen: boolean, terms: CommandTerms): RunEnd {
  if (exit !== "killed") return endOfExit(exit, terms.successExitCodes, undefined);
  const killed = endOfExit({ code: null, signal: "SIGKILL" }, terms.successExitCodes, undefined);
  return wasSeen ? killed : { ...killed, ...WRAPPER_KILLED };
}

/** Waits for the exit, the time-out, the owner or too much output: why the run is to be ended, if it is. */
async function firstCause(attempt: Attempt, limits: AttemptLimits): Promise<Cause | undefined> {
  const { terms, deadline, end, folder, words } = attempt;
  const { clock, maxOutputBytes } = limits;
  const over = new AbortController();
  const watching = AbortSignal.any([over.signal, end.signal]);
  void attempt.over.then(
    () => over.abort(),
    () => over.abort(),
  );
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
  // The keeper of an earlier agent may have said its last and not have been looked at since.
  if (over.signal.aborted || typeof words.progress() === "number") return undefined;
  return end.cause ?? excess ?? timedOut(terms.timeoutMs);
}

/**
 * How the command ended, by its wrapper's last words. `code`: the wrapper's own exit status, if it is known,
 * which is the command's; it tells where the disk did not take the last of them.
 */
function exitBy(words: LastWords, code: number | null): Exit | "killed" | "unstarted" | "lost" {
  const progress = words.progress();
  if (progress === "lost") return "lost";
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

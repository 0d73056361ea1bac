import type { CommandTerms, CommandWork } from "../protocol/command.ts";
import type { Clock } from "../runtime/clock.ts";
import { accessProblem } from "./access-check.ts";
import { endOfAttempt, type AttemptLimits, type WrapperOver } from "./attempt-end.ts";
import { BegunBefore, type AttemptFiles, type AttemptFolder } from "./attempt-folder.ts";
import { RUN_ID_VARIABLE, SEARCH_PATH } from "./base-environment.ts";
import { removeCgroup } from "./cgroup.ts";
import type { EndRequest } from "./end-request.ts";
import { findProgram } from "./find-program.ts";
import { launchScript } from "./launch-script.ts";
import { LastWords } from "./last-words.ts";
import type { Standing } from "./privileges.ts";
import type { Redaction } from "./redactor.ts";
import { FILES_LOST, timedOut, unstarted, type RunEnd } from "./run-end.ts";
import type { RunSpool } from "./run-spool.ts";
import { errorCode, spawnFailure, spoolUnavailable } from "./spawn-failure.ts";
import { startWrapper } from "./wrapper.ts";

const MAX_OUTPUT_BYTES = 268_435_456;
/** Of one argument or variable, with the NUL that ends it, the kernel takes 128 KiB. */
const MAX_STRING_BYTES = 131_071;
/** How often a wrapper is looked at that is another's child. */
const REATTACHED_LOOK_MS = 100;

/** One process to run for a command. */
export interface ProcessSpec {
  readonly runID: string;
  /** Counts the attempts of a run. One is begun again only if it never started and its files were removed. */
  readonly attempt: number;
  readonly standing: Standing;
  /** The program, found by the PATH of `env`, and its arguments. Nothing has a NUL character. */
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly work: CommandWork;
  readonly terms: CommandTerms;
  /** On the monotonic clock, which all processes of a boot share: when its time is up. */
  readonly deadline: number;
  /** What is not to be seen of its output; "withheld": none of it, for want of knowing that. */
  readonly redaction?: Redaction | "withheld" | undefined;
}

export interface ProcessRunnerOptions {
  readonly clock: Clock;
  /** Between asking a process group to end and ending it. */
  readonly killGraceMs: number;
  readonly spool: RunSpool;
  /** Beyond so much of one stream a run is ended; 256 MiB unless told. */
  readonly maxOutputBytes?: number;
  /** The POSIX shell that keeps the command; /bin/sh unless told. */
  readonly shell?: string;
}

/** What the run's owner has to do with a process in the making. */
export interface ProcessOwner {
  /** Where the owner asks for the run to be ended. */
  readonly end: EndRequest;
  /** Called once, when the process exists; when one is taken up, as soon as that is known. */
  readonly onForked: () => void;
}

/**
 * Runs one process to its end, in a session and a process group of its own, and says how that was. The
 * process does not need this agent: its parent is a shell, its input and output are files, and
 * `reattachProcess` takes it up from there. Never throws for what a command can do: a program that does not
 * exist, prints gigabytes, ignores signals or leaves children behind has an end like any other. Throws a
 * BegunBefore if the attempt has been.
 *
 * An end may say `started: "False"` after `onForked` as well: then there was a shell, but provably no command.
 */
export async function runProcess(
  spec: ProcessSpec,
  owner: ProcessOwner,
  options: ProcessRunnerOptions,
): Promise<RunEnd> {
  if (owner.end.cause !== undefined) return unstarted(owner.end.cause);
  const { argv, env, work, runID, attempt, standing } = spec;
  const { clock, spool, shell = "/bin/sh" } = options;
  const workingDir = workingDirOf(work);
  const program = findProgram(argv[0], env["PATH"], workingDir);
  if ("code" in program) return spawnFailure(program.code, argv[0], workingDir);
  const problem = await standingProblem(spec, workingDir, program.path);
  if (problem !== undefined) return problem;
  if (owner.end.cause !== undefined) return unstarted(owner.end.cause);
  const folder = spool.attempt(runID, attempt);
  const files = filesOf(folder, spec, spool);
  if ("started" in files) return files;
  const cgroup = spool.makeCgroup(runID, attempt);
  const wrapper = await startWrapper(
    {
      shell,
      script: spool.script,
      folder,
      cgroup,
      prefix: standing.prefix,
      argv: [program.path, ...argv.slice(1)],
      env: { PATH: SEARCH_PATH, [RUN_ID_VARIABLE]: runID },
    },
    files,
  );
  const words = new LastWords(files.exit, files.wrapper);
  if ("failed" in wrapper) {
    words.close();
    folder.discard();
    if (cgroup !== undefined) removeCgroup(cgroup);
    // The program is there: what the kernel misses is the shell.
    return spawnFailure(wrapper.failed, shell, "/");
  }
  owner.onForked();
  const over = wrapper.exited.then(({ code }) => ({ code, at: clock.monotonic() }));
  const processes = { runID, group: wrapper.pid, cgroup };
  return endOfAttempt({ ...spec, ...owner, folder, words, processes, over }, limitsOf(options));
}

/** An attempt that an earlier agent committed to. */
export type ReattachedSpec = Omit<ProcessSpec, "standing" | "argv" | "env" | "work"> & {
  /** That agent is known to have started a wrapper: without its files, nobody knows what came of it. */
  readonly wasForked?: boolean;
};

/**
 * Takes up an attempt that an earlier agent of this boot started, or was about to. "neverStarted": it did not,
 * and the command of this attempt never will be. Throws if that cannot be found out.
 */
export async function reattachProcess(
  spec: ReattachedSpec,
  owner: ProcessOwner,
  options: ProcessRunnerOptions,
): Promise<RunEnd | "neverStarted"> {
  const { clock, spool } = options;
  const { runID, attempt } = spec;
  const folder = spool.attempt(runID, attempt);
  if (isTakenAway(folder, spec)) return endWithoutFiles(spec, owner, options);
  const pid = await folder.claim(clock, spec.deadline);
  if (pid === undefined) return "neverStarted";
  const words = folder.lastWords();
  owner.onForked();
  const isKept = (): boolean => folder.isKeptBy(pid);
  const processes = { runID, group: isKept() ? pid : undefined, cgroup: folder.cgroup() };
  const over = overOfAnothers(words, isKept, clock);
  return endOfAttempt({ ...spec, ...owner, folder, words, processes, over }, limitsOf(options));
}

/** Whether there was more of an attempt than its files tell: then nothing can be concluded from them. */
function isTakenAway(folder: AttemptFolder, { wasForked }: ReattachedSpec): boolean {
  const trace = folder.trace();
  return trace === "torn" || (trace === "none" && (wasForked === true || folder.hasWrapper()));
}

/**
 * Nobody will know how this attempt ends, or has ended. What is left of it has its time, and is ended when that is
 * up or its owner asks.
 */
async function endWithoutFiles(
  { runID, attempt, deadline, terms, wasForked }: ReattachedSpec,
  { end }: ProcessOwner,
  { clock, spool }: ProcessRunnerOptions,
): Promise<RunEnd> {
  const folder = spool.attempt(runID, attempt);
  const isDue = (): boolean => end.cause !== undefined || clock.monotonic() >= deadline;
  while (folder.hasWrapper() && !isDue()) await clock.sleep(REATTACHED_LOOK_MS, end.signal);
  const cause = folder.hasWrapper() ? (end.cause ?? timedOut(terms.timeoutMs)) : undefined;
  await spool.kill(runID, attempt, clock);
  return { ...FILES_LOST, started: wasForked === true ? "True" : "Unknown", ...cause };
}

/** Why a process would fail to become this command, if that can be told before there is one. */
async function standingProblem(
  { standing, env }: ProcessSpec,
  workingDir: string,
  program: string,
): Promise<RunEnd | undefined> {
  const isTooLong = Object.entries(env).some(
    ([name, value]) => Buffer.byteLength(`${name}=${value}`) > MAX_STRING_BYTES,
  );
  if (isTooLong) return spawnFailure("E2BIG", program, workingDir);
  return standing.isOther ? accessProblem(standing, workingDir, program) : undefined;
}

function filesOf(
  folder: AttemptFolder,
  { work, env, standing }: ProcessSpec,
  spool: RunSpool,
): AttemptFiles | RunEnd {
  try {
    spool.prepare();
    const owner = standing.isOther ? standing.account : undefined;
    return folder.create({
      stdin: work.stdin,
      launch: launchScript(env, workingDirOf(work)),
      owner,
    });
  } catch (thrown) {
    if (thrown instanceof BegunBefore) throw thrown;
    return spoolUnavailable(errorCode(thrown));
  }
}

function workingDirOf({ workingDir }: CommandWork): string {
  return workingDir === "" ? "/" : workingDir;
}

async function overOfAnothers(
  words: LastWords,
  isKept: () => boolean,
  clock: Clock,
): Promise<WrapperOver> {
  // In this order: a wrapper has said its last when it goes.
  const isOver = (): boolean => typeof words.progress() === "number" || !isKept();
  if (isOver()) return { code: null };
  while (!isOver()) await clock.sleep(REATTACHED_LOOK_MS);
  return { code: null, at: clock.monotonic() };
}

function limitsOf(options: ProcessRunnerOptions): AttemptLimits {
  const { clock, killGraceMs, maxOutputBytes = MAX_OUTPUT_BYTES } = options;
  return { clock, killGraceMs, maxOutputBytes };
}

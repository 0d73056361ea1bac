import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CommandTerms, CommandWork } from "../protocol/command.ts";
import type { Clock } from "../runtime/clock.ts";
import { OutputCollector } from "./output-collector.ts";
import type { EndRequest } from "./end-request.ts";
import {
  endOfExit,
  timedOut,
  unstarted,
  type EndCause,
  type Exit,
  type RunEnd,
} from "./run-end.ts";
import { groupGone, killRuns, signalGroup } from "./run-processes.ts";
import { spawnFailure } from "./spawn-failure.ts";

/**
 * How long the pipes of a process that has exited are read on while something else, in the background,
 * holds them open: so long, and on as long as there is more, but not beyond the second bound.
 */
const DRAIN_MS = 250;
const MAX_DRAIN_MS = 2_000;

/** One process to run for a command. */
export interface ProcessSpec {
  readonly runID: string;
  /** The program, found by the PATH of `env`, and its arguments. Nothing has a NUL character. */
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly work: CommandWork;
  readonly terms: CommandTerms;
}

export interface ProcessRunnerOptions {
  readonly clock: Clock;
  /** Between asking a process group to end and ending it. */
  readonly killGraceMs: number;
}

/** What the run's owner has to do with a process in the making. */
export interface ProcessOwner {
  /** Where the owner asks for the run to be ended. */
  readonly end: EndRequest;
  /** Called once, when the process exists. */
  readonly onForked: () => void;
}

/**
 * Runs one process to its end, in a process group of its own, and says how that was. Never throws for
 * what a command can do: a program that does not exist, prints gigabytes, ignores signals or leaves
 * children behind has an end like any other.
 */
export async function runProcess(
  spec: ProcessSpec,
  owner: ProcessOwner,
  options: ProcessRunnerOptions,
): Promise<RunEnd> {
  if (owner.end.cause !== undefined) return unstarted(owner.end.cause);
  const spawned = await spawnProcess(spec);
  if (spawned.kind === "failed") {
    return spawnFailure(spawned.code, spec.argv[0], workingDir(spec.work));
  }
  owner.onForked();
  const { child, pid, exited } = spawned;
  const startedAt = options.clock.monotonic();
  const duration = exited.then(() => Math.round(options.clock.monotonic() - startedAt));
  const collected = [child.stdout, child.stderr].map((stream) => collect(stream, spec.terms));
  const cause = await firstCause(exited, { spec, owner, options, startedAt });
  if (cause !== undefined) await endProcesses(pid, spec.runID, options);
  const exit = await exited;
  const durationMs = await duration;
  const [stdout, stderr] = await Promise.all(collected.map((one) => drained(one, options.clock)));
  return {
    ...endOfExit(exit, spec.terms.successExitCodes, cause),
    durationMs,
    ...(stdout === undefined ? {} : { stdout: stdout.output() }),
    ...(stderr === undefined ? {} : { stderr: stderr.output() }),
  };
}

type Spawned =
  | {
      readonly kind: "running";
      readonly child: ChildProcessWithoutNullStreams;
      readonly pid: number;
      readonly exited: Promise<Exit>;
    }
  | { readonly kind: "failed"; readonly code: string };

async function spawnProcess({ argv, env, work }: ProcessSpec): Promise<Spawned> {
  const [program, ...args] = argv;
  let child: ChildProcessWithoutNullStreams;
  try {
    child = spawn(program, args, {
      cwd: workingDir(work),
      env: { ...env },
      detached: true,
      stdio: "pipe",
    });
  } catch (thrown) {
    return { kind: "failed", code: errorCode(thrown) };
  }
  if (child.pid === undefined) {
    const [thrown]: unknown[] = await once(child, "error");
    return { kind: "failed", code: errorCode(thrown) };
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  child.on("error", () => undefined);
  // A command that does not read its input, or ends before it has, is no error.
  child.stdin.on("error", () => undefined);
  child.stdin.end(work.stdin);
  return { kind: "running", child, pid: child.pid, exited };
}

function workingDir(work: CommandWork): string {
  return work.workingDir === "" ? "/" : work.workingDir;
}

interface Watch {
  readonly spec: ProcessSpec;
  readonly owner: ProcessOwner;
  readonly options: ProcessRunnerOptions;
  readonly startedAt: number;
}

/** Waits for the exit, the timeout or the owner: why the process is to be ended, if it is. */
async function firstCause(exited: Promise<Exit>, watch: Watch): Promise<EndCause | undefined> {
  const { clock } = watch.options;
  const { timeoutMs } = watch.spec.terms;
  const over = new AbortController();
  const watching = AbortSignal.any([over.signal, watch.owner.end.signal]);
  void exited.then(() => over.abort());
  const left = (): number => watch.startedAt + timeoutMs - clock.monotonic();
  while (!watching.aborted && left() > 0) await clock.sleep(left(), watching);
  // After a long stall of this process the timer comes first: an exit in time gets its turn.
  await nextTurn();
  if (over.signal.aborted) return undefined;
  return watch.owner.end.cause ?? timedOut(timeoutMs);
}

async function endProcesses(
  pid: number,
  runID: string,
  { clock, killGraceMs }: ProcessRunnerOptions,
): Promise<void> {
  signalGroup(pid, "SIGTERM");
  await groupGone(pid, killGraceMs, clock);
  signalGroup(pid, "SIGKILL");
  await killRuns(new Set([runID]), clock);
}

interface Collected {
  readonly stream: Readable;
  readonly collector: OutputCollector;
  readonly closed: Promise<void>;
}

function collect(stream: Readable, terms: CommandTerms): Collected {
  const collector = new OutputCollector(terms.inlineBytes);
  stream.on("data", (chunk: Uint8Array) => collector.push(chunk));
  stream.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    stream.once("close", resolve);
  });
  return { stream, collector, closed };
}

/** Reads what a process that has exited left in its pipe. */
async function drained(
  { stream, collector, closed }: Collected,
  clock: Clock,
): Promise<OutputCollector> {
  const deadline = clock.monotonic() + MAX_DRAIN_MS;
  const over = new AbortController();
  void closed.then(() => over.abort());
  let before = -1;
  while (!over.signal.aborted && collector.bytes !== before && clock.monotonic() < deadline) {
    before = collector.bytes;
    await clock.sleep(DRAIN_MS, over.signal);
    // After a long stall of this process the timer comes first: what is in the pipe gets its turn.
    await nextTurn();
  }
  stream.destroy();
  await closed;
  return collector;
}

function errorCode(thrown: unknown): string {
  if (!(thrown instanceof Error) || !("code" in thrown)) return "unknown error";
  return String(thrown.code);
}

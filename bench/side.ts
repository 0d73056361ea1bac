import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { closedLoop, openLoop, type Command, type LoadResult } from "./load.ts";
import { CpuMeter, machineBusyMs } from "./process-usage.ts";
import { median, medianOfRecords, percentile } from "./statistics.ts";
import type { Tracker } from "./tracker.ts";

/** What follows a command's end (a receipt, its place in the journal) belongs to its cost. */
const AFTERMATH_MS = 300;

/** One of the ways to do commands that are compared, and what was measured of it so far. */
export interface Side extends Rounds {
  readonly name: string;
  readonly tracker: Tracker;
  /** By turns, who the commands are for. */
  readonly nodes: readonly string[];
  /** The processes that may have a part in it, by name. */
  readonly pids: Readonly<Record<string, number>>;
}

export interface Round {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsPerCommand: Readonly<Record<string, number>>;
  readonly statusWritesPerCommand: number;
  readonly commands: number;
  /** Of all cores, what others used meanwhile: what the figures of this round are to be doubted by. */
  readonly foreignShare: number;
}

/** The rounds of one side. */
export interface Rounds {
  /** As fast as it goes. */
  readonly full: Round[];
  /** At the steady rate. */
  readonly steady: Round[];
}

/** Measures one round of commands under a load. */
export async function measure(
  { tracker, nodes, pids }: Side,
  load: (command: Command) => Promise<LoadResult>,
): Promise<Round> {
  const meter = await CpuMeter.start(pids);
  const begun = performance.now();
  const busy = await machineBusyMs();
  const created = tracker.created;
  const writes = tracker.statusWrites;
  const { latencies, elapsedMs } = await load(() => tracker.command(nodes));
  await sleep(AFTERMATH_MS);
  const commands = tracker.created - created;
  const cpuMsPerCommand = await meter.per(commands);
  const own = Object.values(cpuMsPerCommand).reduce((sum, ms) => sum + ms * commands, 0);
  const foreign = (await machineBusyMs()) - busy - own;
  return {
    perSecond: (commands * 1000) / elapsedMs,
    p50Ms: median(latencies),
    p99Ms: percentile(latencies, 0.99),
    cpuMsPerCommand,
    foreignShare: Math.max(0, foreign) / ((performance.now() - begun) * cpus().length),
    statusWritesPerCommand: (tracker.statusWrites - writes) / commands,
    commands,
  };
}

export interface RoundsOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly concurrency: number;
  /** Of the open loop, a second. */
  readonly rate: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/**
 * All sides in turn, again and again, so that whatever else the machine does hits all of them; the order
 * is turned round every time.
 */
export async function interleave(sides: readonly Side[], options: RoundsOptions): Promise<void> {
  const { rounds, seconds, concurrency, rate, signal, progress } = options;
  const ms = seconds * 1000;
  const loads = {
    full: (command: Command) => closedLoop(command, { concurrency, ms }),
    steady: (command: Command) => openLoop(command, { perSecond: rate, ms }),
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of ["full", "steady"] as const) {
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        signal.throwIfAborted();
        const measured = await measure(side, loads[kind]);
        side[kind].push(measured);
        progress(`round ${round + 1} of ${rounds}, ${side.name}, ${kind}: ${describe(measured)}`);
      }
    }
  }
}

function describe({ perSecond, p50Ms, p99Ms }: Round): string {
  return `${perSecond.toFixed(0)}/s, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`;
}

/** The medians of rounds. */
export function summary(rounds: readonly Round[]): Round {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  return {
    perSecond: of(({ perSecond }) => perSecond),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    cpuMsPerCommand: medianOfRecords(rounds.map(({ cpuMsPerCommand }) => cpuMsPerCommand)),
    statusWritesPerCommand: of(({ statusWritesPerCommand }) => statusWritesPerCommand),
    foreignShare: of(({ foreignShare }) => foreignShare),
    commands: rounds.reduce((sum, { commands }) => sum + commands, 0),
  };
}

import { until } from "../../dev/controlplane/waiting.ts";
import type { Evidence } from "./evidence.ts";
import { violationsIn } from "./invariants/check.ts";
import { toldRuns } from "./invariants/runs.ts";
import { hasSettled } from "./invariants/settled.ts";
import { runSchedule } from "./nemesis/run-schedule.ts";
import { processesOfRuns } from "./processes-left.ts";
import { seededRandom } from "../support/seeded-random.ts";
import type { Step } from "./schedule.ts";
import { NODES } from "./topology.ts";
import { WorkloadModel } from "./workload-model.ts";
import { runWorkload } from "./workload.ts";
import { readTruth, truthPath, type World } from "./world.ts";

export interface RunOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly schedule: readonly Step[];
  readonly progress: (line: string) => void;
}

export interface Judgement {
  readonly violations: readonly string[];
  readonly summary: string;
}

/** How long, after everything has healed, commands may take to end: reconnecting takes up to a minute. */
const SETTLE_MS = 180_000;
const PROGRESS_MS = 10_000;

/** Lets users and faults loose on the world, heals it, waits until it has come to rest, and judges. */
export async function runFaults(world: World, options: RunOptions): Promise<Judgement> {
  const model = new WorkloadModel(
    seededRandom(options.seed + 1),
    (node) => truthPath(world, node),
    () => world.history.restores > 0,
  );
  const over = new AbortController();
  const reporting = report(world, options, over.signal);
  try {
    await disturb(world, model, options);
    await settle(world);
  } finally {
    over.abort();
    await reporting;
  }
  const evidence = await gather(world, model);
  return { violations: violationsIn(evidence), summary: summaryOf(evidence) };
}

async function disturb(
  world: World,
  model: WorkloadModel,
  { seed, seconds, schedule }: RunOptions,
): Promise<void> {
  const { clock, signal } = world;
  const over = new AbortController();
  const working = AbortSignal.any([over.signal, signal]);
  const random = seededRandom(seed + 2);
  const workload = runWorkload({ ...world, model, random }, working);
  // Whichever of the two fails ends the run.
  const failed = new Promise<never>((_, reject) => void workload.catch(reject));
  try {
    const faults = runSchedule(schedule, world);
    const time = clock.sleep(seconds * 1_000, signal);
    await Promise.race([Promise.all([faults, time]), failed]);
    signal.throwIfAborted();
  } finally {
    over.abort();
  }
  await workload;
}

/** Waits until nothing is owed any more; what still is when patience ends, the checker finds. */
async function settle({ user, history, trace, signal }: World): Promise<void> {
  trace.add("settling");
  const patience = AbortSignal.timeout(SETTLE_MS);
  const isSettled = async (): Promise<boolean> => {
    const commands = await user.list();
    return (
      commands.every((command) => hasSettled(command, history.restores > 0)) &&
      (await user.readyNodes()) === NODES.length
    );
  };
  await until(isSettled, AbortSignal.any([signal, patience])).catch((thrown: unknown) => {
    signal.throwIfAborted();
    if (!patience.aborted) throw thrown;
  });
  trace.add(patience.aborted ? "not-settled" : "settled");
}

async function gather(world: World, model: WorkloadModel): Promise<Evidence> {
  const { user, history, faults, exits, namespace } = world;
  return {
    truth: await readTruth(world),
    declared: model.declared,
    final: await user.list(),
    versions: history.versions,
    faults,
    exits,
    leftovers: await processesOfRuns(namespace),
  };
}

function summaryOf(evidence: Evidence): string {
  const { truth, declared, final, versions, faults, exits } = evidence;
  const ended = toldRuns(evidence).filter(({ run }) => run.outcome !== undefined);
  const runs = new Map(ended.map(({ name, run }) => [run.runID ?? `${name} ${run.declared}`, run]));
  const ends = Map.groupBy(runs.values(), ({ outcome }) => outcome);
  const tally = [...ends].map(([end, { length }]) => `${end} ${length}`).join(", ");
  return (
    `${declared.size} things declared, ${truth.length} runs, ${final.length} commands left, ` +
    `${versions.length} versions seen, ${faults.length} faults, ` +
    `${exits.length} programs ended by themselves\n` +
    `runs told of: ${tally}`
  );
}

async function report(world: World, { progress }: RunOptions, over: AbortSignal): Promise<void> {
  const { clock, signal, trace, history, faults } = world;
  const stop = AbortSignal.any([over, signal]);
  for (;;) {
    await clock.sleep(PROGRESS_MS, stop);
    if (stop.aborted) return;
    const { made, ended } = countsOf(history.versions);
    const active = faults.filter(({ toMs }) => toMs === Infinity);
    const now = active.map(({ fault, target }) => `${fault} ${target}`).join(", ");
    progress(
      `${Math.round(trace.nowMs / 1_000)} s: ${made} commands, ${ended} ended, ` +
        `${faults.length} faults${now === "" ? "" : ` (now ${now})`}`,
    );
  }
}

function countsOf(versions: World["history"]["versions"]): { made: number; ended: number } {
  const latest = new Map(versions.map((version) => [version.uid, version]));
  const ended = [...latest.values()].filter(({ run }) => run?.outcome !== undefined);
  return { made: latest.size, ended: ended.length };
}

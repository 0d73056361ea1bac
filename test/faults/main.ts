/**
 * The command `npm run faults`: Steward as processes on a real control plane, users at work, and everything
 * going wrong that can, by a seed; then whether every promise was kept.
 */
import { randomInt, randomUUID } from "node:crypto";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { interruption } from "../../dev/interruption.ts";
import { exitStatusOf } from "../../dev/program.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { FAULTS, type FaultName } from "./catalogue.ts";
import { findFacilities, leftOut, type Facilities } from "./facilities.ts";
import { parseOptions, USAGE, type Options } from "./options.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { runFaults, type Judgement } from "./run.ts";
import { makeSchedule, type Step } from "./schedule.ts";
import { Trace } from "./trace.ts";
import { startWorld } from "./world.ts";

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const stop = interruption();

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), randomInt(0x1_0000_0000));
  if (options !== undefined) return faults(options, stop.signal);
  say(USAGE);
  return 0;
}

async function faults(options: Options, signal: AbortSignal): Promise<number> {
  const { seed, seconds } = options;
  say(`seed ${seed}`);
  const facilities = await findFacilities();
  const missing = leftOut(facilities);
  for (const { faults: names, why } of missing) say(`left out: ${names.join(", ")} (${why})`);
  if (options.requireAll && missing.length > 0) return 1;
  const schedule = options.calm
    ? []
    : makeSchedule({ seed, seconds, without: without(options, missing) });
  const dir = await mkdtemp(join(tmpdir(), "steward-faults-"));
  let judgement: Judgement | undefined;
  try {
    judgement = await judge({ options, schedule, facilities, dir, signal });
  } finally {
    // What failed is kept, with all that was logged.
    const isFine = judgement?.violations.length === 0 || signal.aborted;
    if (isFine && !options.keep) await rm(dir, { recursive: true, force: true });
    else say(`seed ${seed}; trace and logs in ${dir}`);
  }
  say(judgement.summary);
  for (const violation of judgement.violations) say(`VIOLATION ${violation}`);
  if (judgement.violations.length > 0) {
    say(`again: npm run faults -- --seconds ${seconds} --seed ${seed}`);
    return 1;
  }
  say("no violation");
  return 0;
}

function without({ only }: Options, missing: ReturnType<typeof leftOut>): ReadonlySet<FaultName> {
  const unwanted = only === undefined ? [] : FAULTS.filter((fault) => !only.includes(fault));
  return new Set([...unwanted, ...missing.flatMap(({ faults: names }) => names)]);
}

interface Run {
  readonly options: Options;
  readonly schedule: readonly Step[];
  readonly facilities: Facilities;
  readonly dir: string;
  readonly signal: AbortSignal;
}

async function judge({ options, schedule, facilities, dir, signal }: Run): Promise<Judgement> {
  const { seed, seconds } = options;
  await using trace = new Trace(join(dir, "trace.jsonl"), clock);
  trace.add("begins", { ...options, schedule });
  await using stack = new AsyncDisposableStack();
  const random = seededRandom(seed + 3);
  const newID = randomUUID;
  const world = await startWorld({ dir, facilities, random, clock, trace, signal, newID }, stack);
  say(`started ${world.nodes.size} nodes, ${world.controllers.size} controllers`);
  const judgement = await runFaults(world, { seed, seconds, schedule, progress: say });
  trace.add("judged", judgement);
  if (judgement.violations.length > 0 || options.keep) await keepServerLogs(world.plane.dir, dir);
  return judgement;
}

async function keepServerLogs(planeDir: string, dir: string): Promise<void> {
  await cp(join(planeDir, "log"), join(dir, "servers"), { recursive: true });
}

process.exitCode = await exitStatusOf(main, { usage: USAGE, say });

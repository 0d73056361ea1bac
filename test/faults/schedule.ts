import type { Random } from "../../src/runtime/random.ts";
import { CATALOGUE, type FaultKind, type FaultName } from "./catalogue.ts";
import { between, pick, pickWeighted, seededRandom } from "../support/seeded-random.ts";

export interface Step {
  readonly atMs: number;
  readonly fault: FaultName;
  readonly target: string;
  readonly params: Readonly<Record<string, number>>;
  readonly durationMs: number;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Kinds that this machine has not what it takes for. */
  readonly without?: ReadonlySet<FaultName>;
}

/** The system works undisturbed first, and again before it is healed for good. */
const CALM_MS = 2_000;
/** Between two episodes; one in five is longer, so that everything can come to rest. */
const QUIET_MS = [500, 2_500] as const;
const LONG_QUIET_MS = [6_000, 10_000] as const;
/** Within which the faults of an episode begin, how many there are, and how often one is looked for. */
const EPISODE_MS = 5_000;
const COUNTS = [2, 3, 4, 5, 6];
const TRIES = 4;
/** A restore, its snapshot before it and some life after it: below this there is no time for it. */
const SECONDS_FOR_RESTORE = 180;
const SNAPSHOT_AGE_MS = [10_000, 30_000] as const;

/**
 * What is done to the system and when: the same options, the same list, in the order of `atMs`.
 *
 * GUARANTEES
 * - Two faults at once touch different parts.
 * - Every fault has ended before the end of the run.
 * - An etcd restore has the controllers, the API server and their links to it to itself: nothing starts a
 *   controller before the wait that makes a restore safe is over.
 */
export function makeSchedule(options: ScheduleOptions): readonly Step[] {
  const random = seededRandom(options.seed);
  const without = options.without ?? new Set();
  const kinds = CATALOGUE.filter(({ fault }) => !without.has(fault));
  const endMs = options.seconds * 1_000 - CALM_MS;
  const steps = restores(options, kinds, random);
  let at = CALM_MS;
  for (let episode = 1; at < endMs; episode += 1) {
    const count = pick(random, COUNTS);
    const busyUntil = addEpisode(steps, { at, endMs, count, kinds, random });
    const [shortest, longest] = episode % 5 === 0 ? LONG_QUIET_MS : QUIET_MS;
    at = busyUntil + between(random, shortest, longest);
  }
  return steps.toSorted((a, b) => a.atMs - b.atMs);
}

interface Episode {
  readonly at: number;
  readonly endMs: number;
  readonly count: number;
  readonly kinds: readonly FaultKind[];
  readonly random: Random;
}

/** Adds up to `count` faults that begin within a moment of each other; gives when the last one ends. */
function addEpisode(steps: Step[], { at, endMs, count, kinds, random }: Episode): number {
  let busyUntil = at;
  let added = 0;
  for (let tries = count * TRIES; tries > 0 && added < count; tries -= 1) {
    const step = someStep(at, kinds, random);
    if (step === undefined || endOf(step) > endMs) continue;
    if (steps.some((other) => areAtOdds(step, other))) continue;
    steps.push(step);
    added += 1;
    busyUntil = Math.max(busyUntil, endOf(step));
  }
  return busyUntil;
}

function someStep(at: number, kinds: readonly FaultKind[], random: Random): Step | undefined {
  const kind = pickWeighted(random, kinds);
  if (kind === undefined) return undefined;
  const [shortest, longest] = kind.durationMs;
  return {
    atMs: at + between(random, 0, EPISODE_MS),
    fault: kind.fault,
    target: pick(random, kind.targets),
    params: kind.params?.(random) ?? {},
    // Mostly short: much happens while something else is not over yet.
    durationMs: Math.round(shortest + (longest - shortest) * random() * random()),
  };
}

function endOf({ atMs, durationMs }: Step): number {
  return atMs + durationMs;
}

/** One in the later half of a run that is long enough, and one more for each further five minutes. */
function restores(
  { seconds }: ScheduleOptions,
  kinds: readonly FaultKind[],
  random: Random,
): Step[] {
  const kind = kinds.find(({ fault }) => fault === "etcd-restore");
  if (kind === undefined || seconds < SECONDS_FOR_RESTORE) return [];
  const count = 1 + Math.floor((seconds - SECONDS_FOR_RESTORE) / 300);
  const shareMs = (seconds * 1_000) / count;
  const [durationMs] = kind.durationMs;
  return Array.from({ length: count }, (_, index) => ({
    atMs: Math.round(index * shareMs + (shareMs - durationMs) * (0.4 + 0.4 * random())),
    fault: kind.fault,
    target: "etcd",
    params: { snapshotAgeMs: between(random, ...SNAPSHOT_AGE_MS) },
    durationMs,
  }));
}

/** Room for what the inject and the heal of a fault take beyond its duration. */
const MARGIN_MS = 3_000;

function areAtOdds(step: Step, other: Step): boolean {
  const [from, to] = spanOf(step);
  const [otherFrom, otherTo] = spanOf(other);
  if (to <= otherFrom || otherTo <= from) return false;
  const parts = new Set(partsOf(other));
  return partsOf(step).some((part) => parts.has(part));
}

/** From when on a step needs its parts, and until when; the snapshot of a restore is part of it. */
function spanOf(step: Step): readonly [number, number] {
  const before = step.params["snapshotAgeMs"] ?? 0;
  return [step.atMs - before, endOf(step) + MARGIN_MS];
}

/** What a step touches, as the catalogue has it. */
export function partsOf({ fault, target }: Pick<Step, "fault" | "target">): readonly string[] {
  const kind = CATALOGUE.find((each) => each.fault === fault && each.targets.includes(target));
  return kind?.parts(target) ?? [];
}

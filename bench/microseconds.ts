import { setImmediate as turn } from "node:timers/promises";

import { median } from "./statistics.ts";

const BATCH = 10;
/** Batches until the code is compiled. */
const WARM_UP = 100;
const US_PER_MS = 1_000;

export interface Sampling {
  readonly samples: number;
  readonly signal: AbortSignal;
}

/**
 * Microseconds that one call of each takes: the median over `samples` batches. They take turns, so that what else the
 * machine does hits all of them.
 */
export async function mediansUs<Name extends string>(
  calls: Readonly<Record<Name, () => unknown>>,
  { samples, signal }: Sampling,
): Promise<Record<Name, number>> {
  const entries = Object.entries<() => unknown>(calls);
  const taken = new Map(entries.map(([name]) => [name, new Array<number>()]));
  for (let sample = -WARM_UP; sample < samples; sample += 1) {
    await turn(undefined, { signal });
    for (const [name, call] of entries) {
      const us = batchUs(call);
      if (sample >= 0) taken.get(name)?.push(us);
    }
  }
  const medians = [...taken].map(([name, each]) => [name, median(each)]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of its names
  return Object.fromEntries(medians) as Record<Name, number>;
}

function batchUs(call: () => unknown): number {
  const start = performance.now();
  for (let number = 0; number < BATCH; number += 1) call();
  return ((performance.now() - start) * US_PER_MS) / BATCH;
}

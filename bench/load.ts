import { setTimeout as sleep } from "node:timers/promises";

/** One command from its beginning to its end; gives how long it took, in milliseconds. */
export type Command = () => Promise<number>;

export interface LoadResult {
  readonly latencies: readonly number[];
  /** From the first beginning to the last end. */
  readonly elapsedMs: number;
}

/** A fixed number under way at once, for so long: as fast as it goes. */
export async function closedLoop(
  command: Command,
  { concurrency, ms }: { readonly concurrency: number; readonly ms: number },
): Promise<LoadResult> {
  const latencies: number[] = [];
  const start = performance.now();
  const one = async (): Promise<void> => {
    while (performance.now() < start + ms) latencies.push(await command());
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return { latencies, elapsedMs: performance.now() - start };
}

/** So many a second, for so long, whether the earlier ones have ended or not. */
export async function openLoop(
  command: Command,
  { perSecond, ms }: { readonly perSecond: number; readonly ms: number },
): Promise<LoadResult> {
  const start = performance.now();
  const running: Promise<number>[] = [];
  const total = Math.round((perSecond * ms) / 1000);
  for (let number = 0; number < total; number += 1) {
    const wait = start + (number * 1000) / perSecond - performance.now();
    if (wait > 0) await sleep(wait);
    const one = command();
    // Looked at below; until then a failure must not end the process.
    one.catch(() => undefined);
    running.push(one);
  }
  const latencies = await Promise.all(running);
  return { latencies, elapsedMs: performance.now() - start };
}

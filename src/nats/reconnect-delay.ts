import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import type { Random } from "../runtime/random.ts";

/** The first retry comes within this: soon, and yet a fleet is spread over it. */
const FIRST_RETRY_MS = 2_000;
/** What follows: 2 s … 4 s, doubling up to 30 s … 60 s. */
const FURTHER: BackoffPolicy = { initialMs: FIRST_RETRY_MS, maxMs: 60_000 };

/** Milliseconds to wait before the next attempt, after `failures` (at least 1) in a row. */
export function reconnectDelayMs(failures: number, random: Random): number {
  if (failures <= 1) return Math.round(random() * FIRST_RETRY_MS);
  return backoffMs(FURTHER, failures - 1, random);
}

import type { Random } from "./random.ts";

export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Growth per step; 2 unless told. */
  readonly factor?: number;
}

/**
 * The delay before try number `attempt` (0 is the first retry): exponential with a cap and full jitter
 * over its upper half, so that a fleet that failed together does not come back together.
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, random: Random): number {
  const ceiling = Math.min(policy.maxMs, policy.initialMs * (policy.factor ?? 2) ** attempt);
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}

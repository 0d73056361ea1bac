import { join } from "node:path";

/** What reconnect-host.ts is told, as JSON in its first argument. */
export interface ReconnectConfig {
  readonly natsUrl: string;
  /** Absent: the broker is insecure. */
  readonly keysDir?: string;
  readonly count: number;
  /** Of the delays: the same number, the same delays. */
  readonly seed: number;
  /** Where it tells its milestones. */
  readonly dir: string;
}

/** All are connected for the first time; all are connected again. Each has had an answer. */
export type Milestone = "opened" | "returned";

/** Holds the moment on the monotonic clock, in milliseconds; is there once that was reached. */
export function milestonePath(dir: string, milestone: Milestone): string {
  return join(dir, milestone);
}

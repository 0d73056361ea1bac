/**
 * Time as an argument. `now` is wall-clock milliseconds since the epoch, `monotonic` milliseconds that
 * only ever go forward (the base of every duration and time-out) and mean the same to all processes of one
 * boot, `sleep` ends early, without an error, when its signal is aborted.
 */
export interface Clock {
  now(): number;
  monotonic(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Milliseconds since the epoch as RFC 3339 in UTC with milliseconds: the form of the wire and of statuses. */
export function timestampOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** Between which two moments another clock is, in milliseconds since the epoch. */
export interface TimeRange {
  readonly earliest: number;
  readonly latest: number;
}

export interface SteadyClock extends Clock {
  /**
   * Takes over another clock's time if this one's is more than `toleranceMs` outside of it; returns by how much
   * `now` jumped with that, 0 if it did not.
   */
  agreeWith(other: TimeRange, toleranceMs: number): number;
}

/**
 * A clock whose `now` is the wall time of its making, carried on by the monotonic clock: deadlines that are
 * computed from it are not met, or missed, because somebody or something sets the wall clock meanwhile.
 *
 * It does not protect from a wall clock that is wrong when it is made, unless a better one is found for
 * `agreeWith`; and it stands still while the whole machine is suspended, as the monotonic clock does.
 */
export function steadyClock(base: Clock): SteadyClock {
  let offset = base.now() - base.monotonic();
  const now = (): number => offset + base.monotonic();
  return {
    now,
    monotonic: () => base.monotonic(),
    sleep: (ms, signal) => base.sleep(ms, signal),
    agreeWith: ({ earliest, latest }, toleranceMs) => {
      const own = now();
      if (own >= earliest - toleranceMs && own <= latest + toleranceMs) return 0;
      const jump = Math.round((earliest + latest) / 2 - own);
      offset += jump;
      return jump;
    },
  };
}

/** The longest delay that `setTimeout` keeps (2^31-1 ms, 24.8 days); more fires at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1_000 + nanoseconds / 1e6;
  },
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(Math.max(0, ms), LONGEST_TIMER_MS));
      signal?.addEventListener("abort", done, { once: true });
    }),
};

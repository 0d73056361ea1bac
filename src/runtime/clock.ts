/**
 * Time as an argument. `now` is wall-clock milliseconds since the epoch, `monotonic` milliseconds that
 * only ever go forward (the base of every duration and time-out), `sleep` ends early, without an error,
 * when its signal is aborted.
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

/** The longest delay that `setTimeout` keeps (2^31-1 ms, 24.8 days); more fires at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
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

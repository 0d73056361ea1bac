import { setTimeout as sleep } from "node:timers/promises";

/** Settles as `promise` does, or throws the signal's reason as soon as that is aborted. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** How often a condition is looked at: often enough that a start loses nothing by it. */
const INTERVAL_MS = 25;

/** Looks at `condition` until it is true; throws what it throws, or the signal's reason. */
export async function until(condition: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await abortable(condition(), signal))) {
    await abortable(sleep(INTERVAL_MS), signal);
  }
}

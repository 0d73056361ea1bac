import type { Clock } from "../runtime/clock.ts";

/** A time limit over one piece of work, joined with the signal of whoever asked for it. */
export interface Deadline {
  /** Aborted when the time is up or `outer` is aborted. */
  readonly signal: AbortSignal;
  readonly expired: boolean;
  /** Lifts the time limit; an abort from outside is still handed on. */
  lift(): void;
  /** Must be called when the work is over: it frees the timer and the listener. */
  end(): void;
}

/** Any reason will do, and without one an exception with a stack is made for every request. */
const MET = "the work is over";

export function startDeadline(clock: Clock, ms: number, outer?: AbortSignal): Deadline {
  const work = new AbortController();
  const timer = new AbortController();
  let expired = false;
  const onOuterAbort = (): void => work.abort(outer?.reason);
  if (outer?.aborted === true) onOuterAbort();
  else outer?.addEventListener("abort", onOuterAbort, { once: true });
  void clock.sleep(ms, timer.signal).then(() => {
    if (timer.signal.aborted) return;
    expired = true;
    work.abort();
  });
  return {
    signal: work.signal,
    get expired() {
      return expired;
    },
    lift: () => timer.abort(MET),
    end: () => {
      outer?.removeEventListener("abort", onOuterAbort);
      timer.abort(MET);
    },
  };
}

/**
 * `work`, or the signal's reason as soon as it is aborted. For work that notices an abort only later:
 * undici does not look at the signal of a request that waits for a connection.
 */
export async function abortable<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

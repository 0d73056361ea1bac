import type { Clock } from "../runtime/clock.ts";

/** A sleep that can be ended from elsewhere. Waking while nobody sleeps ends the next sleep at once. */
export class Wakeup {
  readonly #clock: Pick<Clock, "sleep">;
  #woken = false;
  #sleeper: AbortController | undefined;

  constructor(clock: Pick<Clock, "sleep">) {
    this.#clock = clock;
  }

  wake(): void {
    this.#woken = true;
    this.#sleeper?.abort();
  }

  /** Resolves after `ms` (or never by itself: Infinity), when woken, or when the signal is aborted. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    const sleeper = new AbortController();
    const abort = (): void => sleeper.abort();
    signal.addEventListener("abort", abort, { once: true });
    if (this.#woken || signal.aborted) abort();
    this.#sleeper = sleeper;
    await this.#clock.sleep(ms, sleeper.signal);
    this.#sleeper = undefined;
    this.#woken = false;
    signal.removeEventListener("abort", abort);
  }
}

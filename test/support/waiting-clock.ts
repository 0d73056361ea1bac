import type { Clock } from "../../src/runtime/clock.ts";
import { settle } from "./fake-clock.ts";

interface Waiter {
  readonly at: number;
  readonly wake: () => void;
}

/**
 * For one who waits between tries: time that passes as fast as it is waited for, up to what `pass` allows.
 * An hour of back-off then takes no longer than its tries, and whoever waits past the limit stays there.
 * What is not spent on waiting passes as it really does.
 */
export class WaitingClock implements Clock {
  #waited = 0;
  #limit = 0;
  readonly #waiters = new Set<Waiter>();

  now(): number {
    return Date.now() + this.#waited;
  }

  monotonic(): number {
    return performance.now() + this.#waited;
  }

  /** Whether somebody waits for longer than is allowed. */
  get held(): boolean {
    return this.#waiters.size > 0;
  }

  /** Allows `ms` more of waiting. */
  pass(ms: number): void {
    this.#limit += ms;
    for (const waiter of this.#waiters) if (waiter.at <= this.#limit) waiter.wake();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const at = this.#waited + ms;
    if (at > this.#limit && signal?.aborted !== true) await this.#hold(at, signal);
    this.#waited = Math.max(this.#waited, at);
    await settle();
  }

  #hold(at: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const waiter: Waiter = { at, wake };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }
}

import type { Clock } from "../../src/runtime/clock.ts";

/** Any moment will do; this one is a round number of seconds. */
const START = Date.UTC(2026, 0, 1);

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/**
 * A clock that stands still until it is told to go on. `advance` stops at every moment at which somebody
 * wakes and lets everything that follows from it happen there, as real time would.
 */
export class FakeClock implements Clock {
  readonly #start: number;
  #elapsed = 0;
  #wallOffset = 0;
  readonly #sleepers = new Set<Sleeper>();

  constructor(start: number = START) {
    this.#start = start;
  }

  now(): number {
    return this.#start + this.#elapsed + this.#wallOffset;
  }

  /** Starts at 0. */
  monotonic(): number {
    return this.#elapsed;
  }

  /** How many sleep now. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const done = (): void => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const sleeper: Sleeper = { at: this.#elapsed + Math.max(0, ms), wake: done };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", done, { once: true });
    });
  }

  /** Lets time pass, and with it everything that becomes due, in order. */
  async advance(ms: number): Promise<void> {
    await settle();
    const end = this.#elapsed + ms;
    for (let due = this.#earliest(); due !== undefined && due.at <= end; due = this.#earliest()) {
      this.#elapsed = Math.max(this.#elapsed, due.at);
      due.wake();
      await settle();
    }
    this.#elapsed = end;
  }

  /** Advances to the moment at which the next sleeper wakes; false if nobody sleeps. */
  async advanceToNext(): Promise<boolean> {
    await settle();
    const due = this.#earliest();
    if (due === undefined) return false;
    await this.advance(due.at - this.#elapsed);
    return true;
  }

  /** Somebody sets the wall clock: `now` jumps, `monotonic` does not. */
  shiftWallClock(ms: number): void {
    this.#wallOffset += ms;
  }

  #earliest(): Sleeper | undefined {
    let earliest: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (earliest === undefined || sleeper.at < earliest.at) earliest = sleeper;
    }
    return earliest;
  }
}

/** Lets every promise that can go on without time or I/O go on until it cannot. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

import type { Clock } from "../runtime/clock.ts";
import { formatDuration } from "../runtime/duration.ts";
import type { Check } from "./checks.ts";

export interface EventLoopWatchdogOptions {
  readonly clock: Clock;
  /** Longer than this without a turn of the event loop is a failure; measured to a tenth of it. */
  readonly maxBlockedMs: number;
  /** For how long the check fails after a block; 15 s unless told. */
  readonly rememberMs?: number;
}

/** A little longer than the 10 s between the probes of a kubelet, so that one of them sees each block. */
const REMEMBER_MS = 15_000;

/**
 * A health check that fails when the event loop was blocked. While it is, nobody gets an answer; the check
 * tells of it afterwards, for a while. A kubelet that restarts after three failures in a row thus lets a
 * single block pass (a machine that was paused, say) and restarts what blocks again and again.
 */
export class EventLoopWatchdog implements Check {
  readonly name = "event-loop";
  readonly #clock: Clock;
  readonly #maxBlockedMs: number;
  readonly #rememberMs: number;
  /** When the next turn is due, on the monotonic clock; undefined while it does not run. */
  #dueAt: number | undefined;
  #lastBlock: { readonly ms: number; readonly endedAt: number } | undefined;

  constructor({ clock, maxBlockedMs, rememberMs = REMEMBER_MS }: EventLoopWatchdogOptions) {
    this.#clock = clock;
    this.#maxBlockedMs = maxBlockedMs;
    this.#rememberMs = rememberMs;
  }

  /** Watches until the signal is aborted. Without it the check passes. */
  async run(signal: AbortSignal): Promise<void> {
    const intervalMs = this.#maxBlockedMs / 10;
    try {
      while (!signal.aborted) {
        this.#dueAt = this.#clock.monotonic() + intervalMs;
        await this.#clock.sleep(intervalMs, signal);
        if (!signal.aborted) this.#note(this.#lateMs());
      }
    } finally {
      this.#dueAt = undefined;
    }
  }

  check(): string | undefined {
    // A probe may be answered after a block and before the watchdog has its turn.
    this.#note(this.#lateMs());
    const block = this.#lastBlock;
    if (block === undefined) return undefined;
    const agoMs = this.#clock.monotonic() - block.endedAt;
    if (agoMs > this.#rememberMs) return undefined;
    return `the event loop was blocked for ${formatDuration(block.ms)}, ${formatDuration(agoMs)} ago`;
  }

  #lateMs(): number {
    return this.#dueAt === undefined ? 0 : this.#clock.monotonic() - this.#dueAt;
  }

  #note(lateMs: number): void {
    if (lateMs > this.#maxBlockedMs) {
      this.#lastBlock = { ms: lateMs, endedAt: this.#clock.monotonic() };
    }
  }
}

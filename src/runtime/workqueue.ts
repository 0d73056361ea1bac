import { backoffMs, type BackoffPolicy } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** Any reason will do, and without one an exception with a stack is made each time. */
const EARLIER = "an earlier add replaces it";

/** client-go's default per-item limiter: 5 ms doubling; the cap is ours (client-go's is 1,000 s). */
const RETRY: BackoffPolicy = { initialMs: 5, maxMs: 60_000 };

/** What a queue tells of itself, for metrics. */
export interface WorkQueueRecorder {
  /** A key waits for a worker, or for the end of the work under way on it. */
  added(key: string): void;
  /** A worker has taken the key. */
  started(key: string): void;
  /** The work on the key has ended, well or not. */
  done(key: string): void;
  /** The work on a key has failed and will be tried again. */
  retried(): void;
  /** What waited is dropped: the queue stops. */
  cleared(): void;
}

/** `low` is for what a start or a resync brings: anything that happens meanwhile goes first. */
export type Priority = "normal" | "low";

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** How many keys are worked on at once. */
  readonly concurrency: number;
  /** Does the work of one key. What it throws is reported and retried with back-off. */
  readonly work: (key: string) => Promise<void>;
  readonly onError: (key: string, thrown: unknown) => void;
  readonly recorder?: WorkQueueRecorder;
}

/**
 * A keyed, deduplicating queue with the semantics of client-go's workqueue.
 *
 * INVARIANTS
 * - A key is worked on by one worker at a time.
 * - A key added while it waits is worked on once; added while it is worked on, once more afterwards.
 * - An earlier delayed add wins over a later one for the same key.
 * - A key of normal priority is started before any of low priority that waits; added with both, it has
 *   the higher.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #ready = new Set<string>();
  readonly #readyLow = new Set<string>();
  readonly #processing = new Set<string>();
  readonly #dirty = new Set<string>();
  readonly #delayed = new Map<string, { at: number; cancel: AbortController }>();
  readonly #failures = new Map<string, number>();
  readonly #idle = new Set<() => void>();
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  add(key: string, priority: Priority = "normal"): void {
    if (this.#stopped) return;
    this.#options.recorder?.added(key);
    if (this.#processing.has(key)) {
      this.#dirty.add(key);
      return;
    }
    if (priority === "normal") {
      this.#readyLow.delete(key);
      this.#ready.add(key);
    } else if (!this.#ready.has(key)) {
      this.#readyLow.add(key);
    }
    this.#dispatch();
  }

  /** Adds the key after `ms`, unless it is due sooner anyway. */
  addAfter(key: string, ms: number): void {
    if (this.#stopped) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const at = this.#options.clock.monotonic() + ms;
    const waiting = this.#delayed.get(key);
    if (waiting !== undefined && waiting.at <= at) return;
    waiting?.cancel.abort(EARLIER);
    const cancel = new AbortController();
    this.#delayed.set(key, { at, cancel });
    void this.#options.clock.sleep(ms, cancel.signal).then(() => {
      if (cancel.signal.aborted) return;
      this.#delayed.delete(key);
      this.add(key);
    });
  }

  /** Stops taking and starting work; resolves when what was under way has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.clear();
    this.#readyLow.clear();
    this.#dirty.clear();
    for (const { cancel } of this.#delayed.values()) cancel.abort();
    this.#delayed.clear();
    this.#options.recorder?.cleared();
    if (this.#processing.size > 0) await new Promise<void>((resolve) => this.#idle.add(resolve));
  }

  #dispatch(): void {
    while (this.#processing.size < this.#options.concurrency) {
      const key = firstOf(this.#ready) ?? firstOf(this.#readyLow);
      if (key === undefined) return;
      this.#ready.delete(key);
      this.#readyLow.delete(key);
      this.#processing.add(key);
      this.#options.recorder?.started(key);
      void this.#process(key);
    }
  }

  async #process(key: string): Promise<void> {
    try {
      await this.#options.work(key);
      this.#failures.delete(key);
    } catch (thrown) {
      this.#retry(key, thrown);
    } finally {
      this.#processing.delete(key);
      this.#options.recorder?.done(key);
      if (this.#dirty.delete(key) && !this.#stopped) this.#ready.add(key);
      this.#dispatch();
      if (this.#processing.size === 0) for (const resolve of this.#idle) resolve();
    }
  }

  #retry(key: string, thrown: unknown): void {
    this.#options.onError(key, thrown);
    this.#options.recorder?.retried();
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.addAfter(key, backoffMs(RETRY, failures, this.#options.random));
  }
}

function firstOf(keys: ReadonlySet<string>): string | undefined {
  const [first] = keys;
  return first;
}

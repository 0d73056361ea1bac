import type { KubernetesObject } from "../api/meta.ts";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { ListWatch } from "./list-watch.ts";
import { ObjectCache, type ChangeType, type ObjectChange } from "./object-cache.ts";
import type { ResourceType } from "./resource-path.ts";
import type { Transport } from "./transport.ts";
import { endingOf, FIRST_PLAN, planAfter, type Ended, type Plan } from "./watch-plan.ts";

/** One change of the cache, told after the cache has it. */
export interface CacheChange<T> {
  readonly type: ChangeType;
  /** The newest known state; of a deleted object the last one. */
  readonly object: T;
  /** True for what the first list brought. */
  readonly initial: boolean;
}

/** Told when an attempt at listing or watching has ended and another one follows. */
export interface WatchRecorder {
  watchRestarted(resource: string, reason: Exclude<Ended["ending"]["kind"], "listed">): void;
}

export interface ReflectorOptions<T extends KubernetesObject> {
  readonly transport: Pick<Transport, "request" | "watch">;
  readonly resource: ResourceType;
  /** All namespaces unless told. */
  readonly namespace?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called in the order of the changes. What it throws is logged, and goes no further. */
  readonly onChange: (change: CacheChange<T>) => void;
  readonly recorder?: WatchRecorder;
  /** A watch without a byte for this long is dead; the server sends a bookmark about every 60 s. */
  readonly idleMs?: number;
}

const IDLE_MS = 100_000;

/**
 * A cache of all objects of one resource that follows the API server through its outages.
 *
 * INVARIANTS
 * - Nothing is visible before the first list is complete, and from then on never less than the last
 *   complete state: a later list replaces the cache in one step.
 * - Everything that differs from what was told before is told by `onChange`, whatever happened in
 *   between: deletions during an outage as well, and a re-creation as deleted, then added.
 * - `run` ends only by its signal.
 */
export class Reflector<T extends KubernetesObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #logger: Logger;
  readonly #cache = new ObjectCache<T>();
  readonly #listWatch: ListWatch<T>;
  readonly #firstSync = Promise.withResolvers<void>();
  #hasSynced = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#logger = options.logger.child({ resource: options.resource.plural });
    this.#listWatch = new ListWatch<T>({
      ...options,
      idleMs: options.idleMs ?? IDLE_MS,
      cache: this.#cache,
      onChanges: (changes) => this.#tell(changes),
      onListed: () => this.#markSynced(),
    });
  }

  /** By `namespace/name`. */
  get(key: string): T | undefined {
    return this.#cache.get(key);
  }

  list(): IterableIterator<T> {
    return this.#cache.values();
  }

  get size(): number {
    return this.#cache.size;
  }

  /** True for ever once the first list is in the cache and has been told. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves once `hasSynced`; rejects with the signal's reason. */
  async synced(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#firstSync.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Puts in what a write returned, so that the next `get` reads it. Nobody is told; the watch will tell.
   * Ignored when the cache has something newer, or the object was deleted meanwhile.
   */
  observe(object: T): void {
    this.#cache.observe(object);
  }

  /** Follows the API server until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let plan = FIRST_PLAN;
    while (!signal.aborted) {
      const ended = await this.#attempt(plan, signal);
      if (signal.aborted) return;
      this.#record(ended);
      plan = planAfter(plan, ended, random);
      if (plan.delayMs > 0) await clock.sleep(plan.delayMs, signal);
    }
  }

  #record({ ending }: Ended): void {
    const { recorder, resource } = this.#options;
    if (ending.kind !== "listed") recorder?.watchRestarted(resource.plural, ending.kind);
  }

  async #attempt(plan: Plan, signal: AbortSignal): Promise<Ended> {
    const { clock } = this.#options;
    const { attempt } = plan;
    const started = clock.monotonic();
    const progress = {
      received: 0,
      resourceVersion: attempt.kind === "watch" ? attempt.resourceVersion : undefined,
    };
    const lastedMs = (): number => clock.monotonic() - started;
    try {
      const ending = await this.#listWatch.attempt(attempt, progress, signal);
      this.#logger.debug({ attempt, ending, ...progress }, "watch ended");
      return { ending, lastedMs: lastedMs(), ...progress };
    } catch (thrown) {
      const ending = endingOf(thrown);
      const fields = { attempt, ending, failures: plan.failures, ...progress };
      if (!signal.aborted) this.#logger.warn(fields, `watch failed: ${errorMessage(thrown)}`);
      return { ending, lastedMs: lastedMs(), ...progress };
    }
  }

  #markSynced(): void {
    this.#hasSynced = true;
    this.#firstSync.resolve();
  }

  #tell(changes: readonly ObjectChange<T>[]): void {
    const initial = !this.#hasSynced;
    for (const { type, object } of changes) {
      try {
        this.#options.onChange({ type, object, initial });
      } catch (thrown) {
        const { namespace, name } = object.metadata;
        this.#logger.error({ err: thrown, type, namespace, name }, "a change handler threw");
      }
    }
  }
}

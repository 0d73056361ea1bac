import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { ApiError } from "./api-error.ts";
import { eventName, eventObject, eventSeries, type EventInput } from "./event-object.ts";
import { SeriesTable, type Series } from "./event-series.ts";
import { resourcePath } from "./resource-path.ts";
import type { Transport } from "./transport.ts";

export interface EventRecorderOptions {
  readonly transport: Pick<Transport, "request">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A qualified name, such as `steward.dev/controller`. */
  readonly reportingController: string;
  /** Which one of them, such as the pod's name. */
  readonly reportingInstance: string;
}

export interface EventRecorder extends AsyncDisposable {
  /** Returns at once and never throws. The event is sent in the background, or logged as lost. */
  record(event: EventInput): void;
  /** Sends what is waiting, for some seconds at most, and takes no more. */
  close(): Promise<void>;
}

const EVENTS = { group: "events.k8s.io", version: "v1", plural: "events" } as const;
/** How many events may wait; what comes beyond that is dropped, and said so once. */
const MAX_WAITING = 1_000;
const TRIES = 4;
const RETRY: BackoffPolicy = { initialMs: 500, maxMs: 5_000 };
const FLUSH_MS = 5_000;

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  return new QueueingRecorder(options);
}

/**
 * Sends one event at a time, so that the budget of the API server is bounded, whatever happens.
 * Repetitions while an event waits cost nothing: what is sent is the count at that moment.
 */
class QueueingRecorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #table = new SeriesTable();
  readonly #waiting = new Set<Series>();
  readonly #stop = new AbortController();
  #sending: Promise<void> | undefined;
  #isSending = false;
  #closed = false;
  #sequence = 0;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(event: EventInput): void {
    if (this.#closed) return;
    const nowMs = this.#options.clock.now();
    const series = this.#table.note(event, nowMs, () =>
      this.#nextName(event.regarding.name, nowMs),
    );
    if (!this.#waiting.has(series) && this.#waiting.size >= MAX_WAITING) {
      this.#drop();
      return;
    }
    this.#waiting.add(series);
    if (this.#isSending) return;
    this.#isSending = true;
    this.#sending = this.#sendAll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const flushed = new AbortController();
    const bound = this.#options.clock.sleep(FLUSH_MS, flushed.signal);
    await Promise.race([this.#sending, bound]);
    flushed.abort();
    this.#stop.abort();
    await this.#sending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #nextName(objectName: string, nowMs: number): string {
    this.#sequence += 1;
    return eventName(objectName, this.#options, this.#sequence, nowMs);
  }

  #drop(): void {
    if (this.#dropped === 0) {
      this.#options.logger.warn({ waiting: this.#waiting.size }, "dropping events");
    }
    this.#dropped += 1;
  }

  async #sendAll(): Promise<void> {
    for (const series of this.#waiting) {
      if (this.#stop.signal.aborted) break;
      this.#waiting.delete(series);
      await this.#sendWithRetries(series);
    }
    const lost = this.#waiting.size + this.#dropped;
    if (lost > 0) this.#options.logger.warn({ lost }, "some events were not recorded");
    this.#waiting.clear();
    this.#dropped = 0;
    this.#isSending = false;
  }

  async #sendWithRetries(series: Series): Promise<void> {
    const { clock, random, logger } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await this.#send(series);
        return;
      } catch (thrown) {
        const isLast = attempt + 1 >= TRIES || !isWorthRetrying(thrown);
        if (isLast || this.#stop.signal.aborted) {
          const { regarding, reason } = series.input;
          logger.warn({ regarding, reason }, `event not recorded: ${errorMessage(thrown)}`);
          this.#table.drop(series);
          return;
        }
        await clock.sleep(waitMs(thrown, attempt, random), this.#stop.signal);
      }
    }
  }

  async #send(series: Series): Promise<void> {
    // Fixed here: more may happen while the request is under way.
    const { count } = series;
    if (series.reported === 0) await this.#create(series);
    else if (count > series.reported) await this.#update(series);
    series.reported = count;
  }

  async #create(series: Series): Promise<void> {
    const { input, name } = series;
    try {
      await this.#options.transport.request({
        method: "POST",
        path: resourcePath(EVENTS, input.regarding.namespace),
        body: eventObject(input, this.#options, name, series),
        signal: this.#stop.signal,
      });
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.isAlreadyExists())) throw thrown;
      // A try before this one did arrive, although its answer did not. It may have told a lower count.
      if (series.count > 1) await this.#update(series);
    }
  }

  async #update(series: Series): Promise<void> {
    const { regarding } = series.input;
    try {
      await this.#options.transport.request({
        method: "PATCH",
        path: resourcePath(EVENTS, regarding.namespace, series.name),
        contentType: "application/merge-patch+json",
        body: { series: eventSeries(series) },
        signal: this.#stop.signal,
      });
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.isNotFound())) throw thrown;
      // Events live for an hour by default. This one is gone, so it is made anew.
      series.name = this.#nextName(regarding.name, series.lastAtMs);
      await this.#create(series);
    }
  }
}

function isWorthRetrying(thrown: unknown): boolean {
  return !(thrown instanceof ApiError) || thrown.isTransient();
}

function waitMs(thrown: unknown, attempt: number, random: Random): number {
  const asked = thrown instanceof ApiError ? (thrown.retryAfterMs ?? 0) : 0;
  return Math.min(RETRY.maxMs, Math.max(asked, backoffMs(RETRY, attempt, random)));
}

import type { Clock } from "../runtime/clock.ts";
import type { WorkQueueRecorder } from "../runtime/workqueue.ts";
import type { Count, Instruments, Sample, Time } from "./instruments.ts";

/** client-go's start at 10 ns; the clock of a JavaScript program is coarser. */
const BUCKETS_SECONDS = [0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5, 10, 60, 300, 1_800];

/** Under the names and with the semantics of client-go's work queues. */
export class WorkQueueMetrics {
  readonly #clock: Clock;
  readonly #queues = new Map<string, MeasuredQueue>();
  readonly #instruments: QueueInstruments;

  constructor(instruments: Instruments, clock: Clock) {
    this.#clock = clock;
    this.#instruments = {
      adds: instruments.counter({
        name: "workqueue_adds_total",
        help: "Keys added to the queue; one that waited already is not counted again.",
        labels: ["name"],
      }),
      retries: instruments.counter({
        name: "workqueue_retries_total",
        help: "Keys put back because the work on them failed.",
        labels: ["name"],
      }),
      waited: instruments.timer({
        name: "workqueue_queue_duration_seconds",
        help: "How long a key waited before it was worked on.",
        labels: ["name"],
        bucketsSeconds: BUCKETS_SECONDS,
      }),
      worked: instruments.timer({
        name: "workqueue_work_duration_seconds",
        help: "How long the work on a key took.",
        labels: ["name"],
        bucketsSeconds: BUCKETS_SECONDS,
      }),
    };
    this.#makeGauges(instruments);
  }

  /** Throws a RangeError if there is one under this name. */
  of(name: string): WorkQueueRecorder {
    if (this.#queues.has(name)) throw new RangeError(`a work queue "${name}" is measured already`);
    const queue = new MeasuredQueue(name, this.#instruments, this.#clock);
    this.#queues.set(name, queue);
    return queue;
  }

  #makeGauges(instruments: Instruments): void {
    instruments.gauge({
      name: "workqueue_depth",
      help: "Keys that wait now.",
      labels: ["name"],
      collect: () => this.#samples((queue) => queue.depth),
    });
    instruments.gauge({
      name: "workqueue_unfinished_work_seconds",
      help: "The sum of how long the work under way has been going on; it grows when work is stuck.",
      labels: ["name"],
      collect: () => this.#samples((queue) => sum(queue.runningMs()) / 1_000),
    });
    instruments.gauge({
      name: "workqueue_longest_running_processor_seconds",
      help: "How long the oldest work under way has been going on.",
      labels: ["name"],
      collect: () => this.#samples((queue) => Math.max(0, ...queue.runningMs()) / 1_000),
    });
  }

  #samples(valueOf: (queue: MeasuredQueue) => number): Sample<"name">[] {
    return [...this.#queues].map(([name, queue]) => [{ name }, valueOf(queue)]);
  }
}

interface QueueInstruments {
  readonly adds: Count<"name">;
  readonly retries: Count<"name">;
  readonly waited: Time<"name">;
  readonly worked: Time<"name">;
}

/** Never throws, and may be told too much: a key that waits is counted once, an end without a beginning not. */
class MeasuredQueue implements WorkQueueRecorder {
  readonly #labels: { readonly name: string };
  readonly #instruments: QueueInstruments;
  readonly #clock: Clock;
  /** Since when, on the monotonic clock; a key may be in both. */
  readonly #waiting = new Map<string, number>();
  readonly #running = new Map<string, number>();

  constructor(name: string, instruments: QueueInstruments, clock: Clock) {
    this.#labels = { name };
    this.#instruments = instruments;
    this.#clock = clock;
    instruments.adds(this.#labels, 0);
    instruments.retries(this.#labels, 0);
  }

  get depth(): number {
    return this.#waiting.size;
  }

  /** How long each of what is under way has been going on. At most as many as the queue has workers. */
  runningMs(): number[] {
    const now = this.#clock.monotonic();
    return [...this.#running.values()].map((since) => now - since);
  }

  added(key: string): void {
    if (this.#waiting.has(key)) return;
    this.#waiting.set(key, this.#clock.monotonic());
    this.#instruments.adds(this.#labels);
  }

  started(key: string): void {
    const now = this.#clock.monotonic();
    const since = this.#waiting.get(key);
    if (since !== undefined) this.#instruments.waited(this.#labels, now - since);
    this.#waiting.delete(key);
    this.#running.set(key, now);
  }

  done(key: string): void {
    const since = this.#running.get(key);
    if (since === undefined) return;
    this.#running.delete(key);
    this.#instruments.worked(this.#labels, this.#clock.monotonic() - since);
  }

  retried(): void {
    this.#instruments.retries(this.#labels);
  }

  cleared(): void {
    this.#waiting.clear();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

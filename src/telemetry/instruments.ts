import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Of the text that `Instruments.text` gives: Prometheus' exposition format. */
export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** A metric without labels takes `{}`. */
export type Labels<L extends string> = Readonly<Record<L, string>>;
export type Sample<L extends string> = readonly [labels: Labels<L>, value: number];

interface About<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

/** Adds 1 unless told how many. */
export type Count<L extends string> = (labels: Labels<L>, by?: number) => void;
/** Takes milliseconds; what is exposed is seconds. */
export type Time<L extends string> = (labels: Labels<L>, ms: number) => void;

/**
 * The metrics of one process and nothing global. What makes them records without ever throwing: a duration
 * that is no number is left out, one that is negative (clocks of two machines were compared) counts as 0.
 */
export class Instruments {
  readonly #registry = new Registry();

  counter<L extends string = never>(about: About<L>): Count<L> {
    const counter = new Counter<L>(this.#configuration(about));
    return (labels, by = 1) => {
      counter.inc(labels, by);
    };
  }

  /** A histogram of durations. */
  timer<L extends string = never>(
    about: About<L> & { readonly bucketsSeconds: readonly number[] },
  ): Time<L> {
    const buckets = [...about.bucketsSeconds];
    const histogram = new Histogram<L>({ ...this.#configuration(about), buckets });
    return (labels, ms) => {
      if (Number.isFinite(ms)) histogram.observe(labels, Math.max(0, ms) / 1_000);
    };
  }

  /** Computed when it is asked for, so that it cannot drift from what it tells of. */
  gauge<L extends string = never>(
    about: About<L> & { readonly collect: () => Iterable<Sample<L>> },
  ): void {
    const gauge: Gauge<L> = new Gauge<L>({
      ...this.#configuration(about),
      collect: () => {
        gauge.reset();
        for (const [labels, value] of about.collect()) gauge.set(labels, value);
      },
    });
  }

  /** What Prometheus' clients tell of every process, and of Node: memory, CPU, descriptors, event loop. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Everything, in the exposition format. Rejects with what a gauge's `collect` throws. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #configuration<L extends string>({
    name,
    help,
    labels = [],
  }: About<L>): {
    name: string;
    help: string;
    labelNames: readonly L[];
    registers: Registry[];
  } {
    return { name, help, labelNames: labels, registers: [this.#registry] };
  }
}

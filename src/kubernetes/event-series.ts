import { cutUtf8, type EventInput } from "./event-object.ts";

/** client-go ends a series that has been quiet for this long. */
const SERIES_MS = 6 * 60_000;
/** Bounds the memory; the longest unused is forgotten first and would begin a new event. */
const MAX_SERIES = 1_024;

/** An event and its repetitions. */
export interface Series {
  readonly key: string;
  readonly input: EventInput;
  /** The name of its object in the API. */
  name: string;
  /** How often it happened, and when first and last (wall-clock ms). */
  count: number;
  readonly firstAtMs: number;
  lastAtMs: number;
  /** How many of them the API server knows of; 0 means that the object has yet to be made. */
  reported: number;
}

/** Tells the first occurrence of an event from its repetitions. */
export class SeriesTable {
  readonly #series = new Map<string, Series>();

  get size(): number {
    return this.#series.size;
  }

  /** Counts one occurrence; `makeName` is asked for a name where it begins a new series. */
  note(input: EventInput, nowMs: number, makeName: () => string): Series {
    const key = seriesKey(input);
    const known = this.#series.get(key);
    // Taken out and put in again, the map stays in the order of last use.
    this.#series.delete(key);
    const series =
      known !== undefined && nowMs - known.lastAtMs < SERIES_MS
        ? known
        : {
            key,
            input,
            name: makeName(),
            count: 0,
            firstAtMs: nowMs,
            lastAtMs: nowMs,
            reported: 0,
          };
    series.count += 1;
    series.lastAtMs = nowMs;
    this.#series.set(key, series);
    this.#forget(nowMs);
    return series;
  }

  /** The next occurrence of this one is a new event. */
  drop(series: Series): void {
    if (this.#series.get(series.key) === series) this.#series.delete(series.key);
  }

  #forget(nowMs: number): void {
    for (const [key, series] of this.#series) {
      const isOver = nowMs - series.lastAtMs >= SERIES_MS;
      if (!isOver && this.#series.size <= MAX_SERIES) return;
      this.#series.delete(key);
    }
  }
}

function seriesKey({ regarding, type, reason, note }: EventInput): string {
  return JSON.stringify([regarding.uid, type, reason, cutUtf8(note, 1_024)]);
}

import type { Clock } from "../runtime/clock.ts";
import type { ControllerClock } from "./controller-clock.ts";
import type { DueRun } from "./dispatcher.ts";
import { Wakeup } from "./wakeup.ts";

export interface RetryScheduleOptions {
  readonly clock: Pick<Clock, "sleep">;
  readonly controllerClock: Pick<ControllerClock, "now">;
  /** Called with each run when its time has come. */
  readonly start: (run: DueRun) => void;
}

interface Waiting {
  readonly run: DueRun;
  /** In milliseconds of the controller's time. */
  readonly notBefore: number;
  /** No pause is longer: what seems to be was planned by a clock that has been set back since. */
  readonly maxPauseMs: number;
}

/** Keeps accepted runs until they may be started. While the controller's time is not known, none may. */
export class RetrySchedule {
  readonly #options: RetryScheduleOptions;
  readonly #wakeup: Wakeup;
  #waiting: Waiting[] = [];

  constructor(options: RetryScheduleOptions) {
    this.#options = options;
    this.#wakeup = new Wakeup(options.clock);
  }

  /** `notBefore`: in the controller's time; at once unless told. */
  add(run: DueRun, notBefore?: string, maxPauseMs = Number.POSITIVE_INFINITY): void {
    const from = notBefore === undefined ? Number.NEGATIVE_INFINITY : Date.parse(notBefore);
    this.#waiting.push({ run, notBefore: from, maxPauseMs });
    this.#wakeup.wake();
  }

  /** The controller's time was set. */
  timeChanged(): void {
    this.#wakeup.wake();
  }

  /** The supervised process. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#startDue();
      await this.#wakeup.sleep(this.#untilNextMs(), signal);
    }
  }

  #startDue(): void {
    const now = this.#options.controllerClock.now();
    if (now === undefined) return;
    this.#waiting = this.#waiting.map((waiting) => ({
      ...waiting,
      notBefore: Math.min(waiting.notBefore, now + waiting.maxPauseMs),
    }));
    const due = this.#waiting.filter(({ notBefore }) => notBefore <= now);
    this.#waiting = this.#waiting.filter(({ notBefore }) => notBefore > now);
    for (const { run } of due.toSorted(byTime)) this.#options.start(run);
  }

  #untilNextMs(): number {
    const now = this.#options.controllerClock.now();
    const [next] = this.#waiting.toSorted(byTime);
    if (now === undefined || next === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, next.notBefore - now);
  }
}

function byTime(one: Waiting, other: Waiting): number {
  return one.notBefore === other.notBefore ? 0 : one.notBefore - other.notBefore;
}

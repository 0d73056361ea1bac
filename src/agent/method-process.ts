import type { Clock } from "../runtime/clock.ts";
import { Wakeup } from "./wakeup.ts";

interface Waiting {
  readonly runID: string;
  readonly over: () => void;
}

/**
 * The supervised process of one method: takes its runs from a queue and has them executed, side by side.
 *
 * GUARANTEES
 * - A run that throws disturbs no other run. The process throws what it threw, to be reported and
 *   restarted; the queue outlives that.
 */
export class MethodProcess {
  readonly #execute: (runID: string) => Promise<void>;
  readonly #wakeup: Wakeup;
  readonly #waiting: Waiting[] = [];
  readonly #thrown: Error[] = [];

  constructor(execute: (runID: string) => Promise<void>, clock: Pick<Clock, "sleep">) {
    this.#execute = execute;
    this.#wakeup = new Wakeup(clock);
  }

  /** Queues a run; resolves when it is over, however it ended. */
  do(runID: string): Promise<void> {
    return new Promise((over) => {
      this.#waiting.push({ runID, over });
      this.#wakeup.wake();
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const waiting of this.#waiting.splice(0)) void this.#do(waiting);
      const thrown = this.#thrown.shift();
      if (thrown !== undefined) throw thrown;
      await this.#wakeup.sleep(Number.POSITIVE_INFINITY, signal);
    }
  }

  async #do({ runID, over }: Waiting): Promise<void> {
    try {
      await this.#execute(runID);
    } catch (thrown) {
      this.#thrown.push(thrown instanceof Error ? thrown : new Error(String(thrown)));
      this.#wakeup.wake();
    } finally {
      over();
    }
  }
}

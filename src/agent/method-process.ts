import type { Clock } from "../runtime/clock.ts";
import { Wakeup } from "./wakeup.ts";

interface Waiting {
  readonly task: () => Promise<void>;
  readonly over: () => void;
}

/**
 * A supervised process that does tasks side by side, such as the runs of one method.
 *
 * GUARANTEES
 * - A task that throws disturbs no other one. The process throws what it threw, to be reported and
 *   restarted; what waits outlives that.
 */
export class MethodProcess {
  readonly #wakeup: Wakeup;
  readonly #waiting: Waiting[] = [];
  readonly #thrown: Error[] = [];

  constructor(clock: Pick<Clock, "sleep">) {
    this.#wakeup = new Wakeup(clock);
  }

  /** Has a task done; resolves when it is over, however it ended. */
  do(task: () => Promise<void>): Promise<void> {
    return new Promise((over) => {
      this.#waiting.push({ task, over });
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

  async #do({ task, over }: Waiting): Promise<void> {
    try {
      await task();
    } catch (thrown) {
      this.#thrown.push(thrown instanceof Error ? thrown : new Error(String(thrown)));
      this.#wakeup.wake();
    } finally {
      over();
    }
  }
}

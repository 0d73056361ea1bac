import { backoffMs, type BackoffPolicy } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { FatalError, type ErrorKernel } from "./errorkernel.ts";
import type { Random } from "./random.ts";

const RESTART: BackoffPolicy = { initialMs: 100, maxMs: 30_000 };
/** A process that ran this long before it failed starts its back-off anew. */
const HEALTHY_AFTER_MS = 60_000;

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly kernel: ErrorKernel;
}

/** A long-running piece of work. It ends when the signal is aborted; ending earlier is an error. */
export type Process = (signal: AbortSignal) => Promise<void>;

/**
 * Keeps named processes running: one that throws, or returns before it was told to, is reported to the
 * error kernel and restarted with back-off if that is the verdict, or the program is shut down, also when
 * the process failed too often in a row. `stop` ends them all and waits.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  start(name: string, process: Process): void {
    const running = this.#keepRunning(name, process).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #keepRunning(name: string, process: Process): Promise<void> {
    const { clock, random, kernel } = this.#options;
    const signal = this.#stop.signal;
    let failures = 0;
    while (!signal.aborted) {
      const started = clock.monotonic();
      const thrown = await outcomeOf(process, signal);
      if (signal.aborted) return;
      const wasHealthy = clock.monotonic() - started > HEALTHY_AFTER_MS;
      const failuresInARow: number = wasHealthy ? 1 : failures + 1;
      const severity = thrown instanceof FatalError ? "fatal" : "error";
      const report = { process: name, severity, thrown, failuresInARow } as const;
      if (kernel.report(report) === "shutdown") return;
      await clock.sleep(backoffMs(RESTART, failuresInARow - 1, random), signal);
      failures = failuresInARow;
    }
  }
}

async function outcomeOf(process: Process, signal: AbortSignal): Promise<unknown> {
  try {
    await process(signal);
    return new Error("the process ended although nobody stopped it");
  } catch (thrown) {
    return thrown;
  }
}

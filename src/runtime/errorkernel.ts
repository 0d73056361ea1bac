import { errorMessage } from "./errors.ts";
import type { Logger } from "./logger.ts";

/**
 * How bad an error is, as the process that met it sees it:
 * `warning` it carries on, `error` it cannot go on as it is, `fatal` going on would break a promise
 * (a journal that no longer commits).
 */
export type Severity = "warning" | "error" | "fatal";

/** What a process is told to do. */
export type Verdict = "continue" | "restart" | "shutdown";

export interface ProcessError {
  /** The supervised process that met it, e.g. `method/shellcommand`. */
  readonly process: string;
  readonly severity: Severity;
  readonly thrown: unknown;
  /** How often it has failed by now without a healthy minute in between, this time included. */
  readonly failuresInARow?: number;
}

/**
 * A process that fails this often in a row is not mended by another restart. With the supervisor's
 * back-off that is after about six minutes: longer than any outage that a process should have waited out
 * by itself, and short enough that whoever supervises the program hears of it.
 */
export const RESTART_BUDGET = 20;

export interface ErrorKernelOptions {
  readonly logger: Logger;
  /** Processes without which the program is still of use: they are restarted for ever. */
  readonly isExpendable?: (process: string) => boolean;
  /** Told of every report, after it was logged; what it does must not throw. */
  readonly onReport?: (report: ProcessError, verdict: Verdict) => void;
  /** Called once, at the first verdict of shutdown. */
  readonly onShutdown: (report: ProcessError) => void;
}

/** The one place where errors of processes end up and where it is decided what follows from them. */
export class ErrorKernel {
  readonly #options: ErrorKernelOptions;
  #shuttingDown = false;

  constructor(options: ErrorKernelOptions) {
    this.#options = options;
  }

  report(report: ProcessError): Verdict {
    const verdict = this.#verdictOn(report);
    const fields = { process: report.process, severity: report.severity, verdict };
    const text = errorMessage(report.thrown);
    if (report.severity === "warning") this.#options.logger.warn(fields, text);
    else this.#options.logger.error({ ...fields, err: report.thrown }, text);
    this.#options.onReport?.(report, verdict);
    if (verdict === "shutdown" && !this.#shuttingDown) {
      this.#shuttingDown = true;
      this.#options.onShutdown(report);
    }
    return verdict;
  }

  #verdictOn({ process, severity, failuresInARow = 0 }: ProcessError): Verdict {
    switch (severity) {
      case "warning":
        return "continue";
      case "error": {
        const isSpent = failuresInARow >= RESTART_BUDGET;
        return isSpent && this.#options.isExpendable?.(process) !== true ? "shutdown" : "restart";
      }
      case "fatal":
        return "shutdown";
      default:
        return severity satisfies never;
    }
  }
}

/** Thrown by a process that must not be restarted: the kernel answers it with a shutdown. */
export class FatalError extends Error {
  override readonly name = "FatalError";
}

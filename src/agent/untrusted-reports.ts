import type { UntrustedMessageError } from "../protocol/envelope.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ErrorKernel } from "../runtime/errorkernel.ts";

/** Whoever sends such messages can send many; of each kind one in so long a time is told of. */
const INTERVAL_MS = 60_000;

export interface UntrustedReportsOptions {
  readonly clock: Pick<Clock, "monotonic">;
  readonly kernel: ErrorKernel;
}

/** Tells people, through the error kernel, that somebody says what no trusted controller has signed. */
export class UntrustedReports {
  readonly #options: UntrustedReportsOptions;
  readonly #nextAt = new Map<string, number>();

  constructor(options: UntrustedReportsOptions) {
    this.#options = options;
  }

  /** `process`: who received it. `kind`: the name of the message type that it was to be. */
  report(process: string, kind: string, thrown: UntrustedMessageError): void {
    const { clock, kernel } = this.#options;
    const now = clock.monotonic();
    if (now < (this.#nextAt.get(kind) ?? Number.NEGATIVE_INFINITY)) return;
    this.#nextAt.set(kind, now + INTERVAL_MS);
    const untrusted = new Error(`a ${kind} that no trusted controller has signed was ignored`, {
      cause: thrown,
    });
    kernel.report({ process, severity: "warning", thrown: untrusted });
  }
}

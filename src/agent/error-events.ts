import type { Bus } from "../protocol/bus.ts";
import { encodeMessage } from "../protocol/envelope.ts";
import { errorEventMessage, type ErrorEvent } from "../protocol/error-event.ts";
import { safeText } from "../protocol/output.ts";
import { eventSubject } from "../protocol/subjects.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ProcessError } from "../runtime/errorkernel.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { ControllerClock } from "./controller-clock.ts";
import type { AgentSecurity } from "./security.ts";

/** At most so many events in so long a time: a process that fails in a loop must not fill the stream. */
const MAX_EVENTS = 10;
const WINDOW_MS = 60_000;
const MAX_PROCESS = 128;
const MAX_MESSAGE = 1_024;

export interface ErrorEventsOptions {
  readonly node: string;
  readonly namespace: string;
  readonly bus: Bus;
  readonly clock: Pick<Clock, "monotonic">;
  readonly security: Pick<AgentSecurity, "signers">;
  /** Undefined before the ledger is open, in which the time is kept. */
  readonly controllerClock?: Pick<ControllerClock, "signedAt">;
}

/** Tells the controller of the agent's own errors: best effort, bounded, and it never throws. */
export class ErrorEvents {
  readonly #options: ErrorEventsOptions;
  #windowEnd = Number.NEGATIVE_INFINITY;
  #sent = 0;

  constructor(options: ErrorEventsOptions) {
    this.#options = options;
  }

  publish({ process, severity, thrown }: ProcessError): void {
    const { node, namespace, bus, clock, security, controllerClock } = this.#options;
    if (clock.monotonic() >= this.#windowEnd) {
      this.#windowEnd = clock.monotonic() + WINDOW_MS;
      this.#sent = 0;
    }
    // What ends the agent is said in any case: it is the last that it says.
    if (this.#sent >= MAX_EVENTS && severity !== "fatal") return;
    this.#sent += 1;
    const message = safeText(errorMessage(thrown).slice(0, MAX_MESSAGE));
    const event: ErrorEvent = {
      namespace,
      node,
      ...controllerClock?.signedAt(),
      process: process.slice(0, MAX_PROCESS),
      severity,
      message,
    };
    try {
      const data = encodeMessage(errorEventMessage, event, security.signers);
      bus.publish(eventSubject(node, "error"), data);
    } catch {
      // It is in the log; there is nobody left to tell.
    }
  }
}

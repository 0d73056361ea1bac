import { timestampOf, type Clock } from "../runtime/clock.ts";

/** Somebody asked for the controller's time before any controller had said it. */
export class ControllerTimeUnknownError extends Error {
  override readonly name = "ControllerTimeUnknownError";
}

/**
 * The controller's time as this node knows it: what the last hello reply said, carried on by the
 * monotonic clock. The node's wall clock has no part in it, so setting that one changes nothing.
 */
export class ControllerClock {
  readonly #clock: Pick<Clock, "monotonic">;
  #offset: number | undefined;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Takes the time, milliseconds since the epoch, that a controller says it is now. */
  set(time: number): void {
    this.#offset = time - this.#clock.monotonic();
  }

  /** Milliseconds since the epoch; undefined before the first `set`. */
  now(): number | undefined {
    return this.#offset === undefined ? undefined : this.#offset + this.#clock.monotonic();
  }

  /** RFC 3339 in UTC with milliseconds. Throws ControllerTimeUnknownError before the first `set`. */
  timestamp(): string {
    const now = this.now();
    if (now === undefined) throw new ControllerTimeUnknownError("no hello was answered yet");
    return timestampOf(now);
  }
}

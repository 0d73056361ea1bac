import { timestampOf, type Clock } from "../runtime/clock.ts";

/** Somebody asked for the controller's time before any controller had said it. */
export class ControllerTimeUnknownError extends Error {
  override readonly name = "ControllerTimeUnknownError";
}

/** What is kept may be so far off, in milliseconds: a hello must not cost a write to the disk each time. */
const KEPT_WITHIN_MS = 1_000;

/** Where the time outlives the agent: how far it is ahead of the monotonic clock of this boot. */
export interface KeptTime {
  /** What was kept last in this boot; undefined if nothing was. */
  readonly offset: number | undefined;
  keep(offset: number): void;
}

/**
 * The controller's time as this node knows it: what the last hello reply said, carried on by the
 * monotonic clock, over restarts of the agent. The node's wall clock has no part in it, so setting that
 * one changes nothing.
 */
export class ControllerClock {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #kept: KeptTime | undefined;
  readonly #known = Promise.withResolvers<void>();
  #keptOffset: number | undefined;
  #offset: number | undefined;

  constructor(clock: Pick<Clock, "monotonic">, kept?: KeptTime) {
    this.#clock = clock;
    this.#kept = kept;
    this.#keptOffset = kept?.offset;
    this.#offset = kept?.offset;
    if (this.#offset !== undefined) this.#known.resolve();
  }

  /** Resolves when the time is known. */
  get known(): Promise<void> {
    return this.#known.promise;
  }

  /** Takes the time, milliseconds since the epoch, that a controller says it is now. */
  set(time: number): void {
    const offset = time - this.#clock.monotonic();
    this.#offset = offset;
    if (this.#keptOffset === undefined || Math.abs(offset - this.#keptOffset) > KEPT_WITHIN_MS) {
      this.#keptOffset = offset;
      this.#kept?.keep(offset);
    }
    this.#known.resolve();
  }

  /** Milliseconds since the epoch; undefined before the first `set`. */
  now(): number | undefined {
    return this.#at(this.#clock.monotonic());
  }

  /** For a message that says when it was said, if that is known. */
  signedAt(): { readonly signedAt?: string } {
    const now = this.now();
    return now === undefined ? {} : { signedAt: timestampOf(now) };
  }

  /** RFC 3339 in UTC with milliseconds. Throws ControllerTimeUnknownError before the first `set`. */
  timestamp(): string {
    return this.timestampAt(this.#clock.monotonic());
  }

  /** The same of a moment of the monotonic clock of this boot. */
  timestampAt(monotonic: number): string {
    const time = this.#at(monotonic);
    if (time === undefined) throw new ControllerTimeUnknownError("no hello was answered yet");
    return timestampOf(time);
  }

  #at(monotonic: number): number | undefined {
    return this.#offset === undefined ? undefined : this.#offset + monotonic;
  }
}

import type { EndCause } from "./run-end.ts";

/** Asks for one run to be ended. The first cause is the one that counts. */
export class EndRequest {
  readonly #abort = new AbortController();
  #cause: EndCause | undefined;

  /** Aborted as soon as there is a cause. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get cause(): EndCause | undefined {
    return this.#cause;
  }

  end(cause: EndCause): void {
    this.#cause ??= cause;
    this.#abort.abort();
  }
}

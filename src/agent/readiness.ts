import type { Clock } from "../runtime/clock.ts";

/**
 * Whether the agent takes commands: from when it knows the time and has settled what its ledger had
 * open, until it is stopped.
 */
export class Readiness {
  readonly #clock: Pick<Clock, "sleep">;
  readonly #changed = new AbortController();
  #state: "starting" | "ready" | "stopping" = "starting";

  constructor(clock: Pick<Clock, "sleep">) {
    this.#clock = clock;
  }

  get isReady(): boolean {
    return this.#state === "ready";
  }

  /** The agent takes commands from now on, unless it is stopping. */
  setReady(): void {
    if (this.#state === "starting") this.#state = "ready";
    this.#changed.abort();
  }

  /** The agent takes no more commands. */
  setStopping(): void {
    this.#state = "stopping";
    this.#changed.abort();
  }

  /** Waits, at most `ms`, while the agent is starting. */
  async settled(ms: number): Promise<void> {
    if (this.#state === "starting") await this.#clock.sleep(ms, this.#changed.signal);
  }
}

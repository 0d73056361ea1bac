import type { Bus } from "../protocol/bus.ts";
import type { Clock } from "../runtime/clock.ts";

export interface BrokerWatchOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  /** Both at the moment of the monotonic clock at which it was noticed. */
  readonly onLost: (now: number) => void;
  readonly onFound: (now: number) => void;
}

/** Since when there is no connection to the broker. */
export class BrokerWatch {
  readonly #options: BrokerWatchOptions;
  #downSince: number | undefined;

  constructor(options: BrokerWatchOptions) {
    this.#options = options;
  }

  /** How long there has been no connection; undefined while there is one. */
  get downMs(): number | undefined {
    return this.#downSince === undefined
      ? undefined
      : this.#options.clock.monotonic() - this.#downSince;
  }

  /** Follows the connection; returns the way to end that. */
  start(): () => void {
    const { bus } = this.#options;
    if (!bus.connected) this.#lost();
    return bus.onConnectedChange((connected) => {
      if (connected) this.#found();
      else this.#lost();
    });
  }

  #lost(): void {
    const now = this.#options.clock.monotonic();
    this.#downSince ??= now;
    this.#options.onLost(now);
  }

  #found(): void {
    this.#downSince = undefined;
    this.#options.onFound(this.#options.clock.monotonic());
  }
}

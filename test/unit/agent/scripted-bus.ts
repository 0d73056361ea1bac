import type {
  Bus,
  BusMessage,
  BusSubscription,
  RequestOptions,
  RequestOutcome,
} from "../../../src/protocol/bus.ts";

export interface SentRequest {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Ends the request. It stays open until then. */
  readonly answer: (outcome: RequestOutcome) => void;
}

/** A bus whose requests a test answers by hand. */
export class ScriptedBus implements Bus {
  connected = true;
  readonly requests: SentRequest[] = [];
  readonly published: { readonly subject: string; readonly data: Uint8Array }[] = [];
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #handlers = new Set<(message: BusMessage) => void>();

  setConnected(connected: boolean): void {
    this.connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }

  onConnectedChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  subscribe(_: string, handler: (message: BusMessage) => void): BusSubscription {
    this.#handlers.add(handler);
    return {
      unsubscribe: () => {
        this.#handlers.delete(handler);
      },
    };
  }

  publish(subject: string, data: Uint8Array): void {
    this.published.push({ subject, data });
  }

  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<RequestOutcome> {
    return new Promise((resolve) => {
      this.requests.push({ subject, data, answer: resolve });
      options.signal?.addEventListener("abort", () => resolve({ kind: "timeout" }), { once: true });
    });
  }
}

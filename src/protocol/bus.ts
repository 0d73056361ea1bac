/** What the protocol needs of a message broker: core publish, subscribe and request/reply. */
export interface Bus {
  /** False while there is no connection. It never gives up: it will be true again. */
  readonly connected: boolean;
  /** Calls back on every change of `connected`; returns the way to end that. */
  onConnectedChange(listener: (connected: boolean) => void): () => void;
  /** Delivers every message on a subject, which may have wildcards. A throwing handler is contained. */
  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription;
  /** Fire and forget: lost while there is no connection. */
  publish(subject: string, data: Uint8Array): void;
  /** Never throws: whatever happens is one of the outcomes. */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<RequestOutcome>;
}

export interface BusMessage {
  readonly subject: string;
  readonly reply: string | undefined;
  readonly data: Uint8Array;
  respond(data: Uint8Array): void;
}

export interface BusSubscription {
  unsubscribe(): void;
}

export interface RequestOptions {
  readonly timeoutMs: number;
  /** Ends the waiting early: the outcome is then `timeout`. */
  readonly signal?: AbortSignal;
}

export type RequestOutcome =
  | { readonly kind: "reply"; readonly data: Uint8Array }
  /** The broker says that nobody listens there. */
  | { readonly kind: "noResponders" }
  /** Somebody may have heard it, and no answer came in time. */
  | { readonly kind: "timeout" }
  /** There is no connection, it broke while waiting, or the broker denies this client the subject. */
  | { readonly kind: "disconnected" }
  /** It was not sent, and will not be while it has this size: the broker takes no more than `maxBytes`. */
  | { readonly kind: "tooLarge"; readonly maxBytes: number };

import type {
  Bus,
  BusMessage,
  BusSubscription,
  RequestOptions,
  RequestOutcome,
} from "../../../src/protocol/bus.ts";

interface Subscription {
  readonly pattern: readonly string[];
  readonly handler: (message: BusMessage) => void;
}

/** A broker in memory: subjects with `*`, request and reply, and nothing kept. */
export class MemoryBroker {
  readonly subscriptions = new Set<Subscription>();
  readonly #replies = new Map<string, (data: Uint8Array) => void>();
  #requests = 0;

  /** A client whose reply subjects lie in `inbox`. */
  connect(inbox: string): MemoryBus {
    return new MemoryBus(this, inbox);
  }

  /** How many heard it. */
  deliver(subject: string, data: Uint8Array, reply: string | undefined): number {
    const heard = [...this.subscriptions].filter(({ pattern }) => matches(pattern, subject));
    const respond = (answer: Uint8Array): void => {
      if (reply !== undefined) this.#replies.get(reply)?.(answer);
    };
    for (const { handler } of heard) handler({ subject, reply, data, respond });
    return heard.length;
  }

  expectReply(inbox: string, onReply: (data: Uint8Array) => void): string {
    this.#requests += 1;
    const reply = `${inbox}.${this.#requests}`;
    this.#replies.set(reply, onReply);
    return reply;
  }

  forget(reply: string): void {
    this.#replies.delete(reply);
  }
}

export class MemoryBus implements Bus {
  readonly #broker: MemoryBroker;
  readonly #inbox: string;
  readonly #listeners = new Set<(connected: boolean) => void>();
  #connected = true;

  constructor(broker: MemoryBroker, inbox: string) {
    this.#broker = broker;
    this.#inbox = inbox;
  }

  get connected(): boolean {
    return this.#connected;
  }

  setConnected(connected: boolean): void {
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }

  onConnectedChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    const subscription = { pattern: subject.split("."), handler };
    this.#broker.subscriptions.add(subscription);
    return {
      unsubscribe: () => {
        this.#broker.subscriptions.delete(subscription);
      },
    };
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    if (this.#connected) this.#broker.deliver(subject, data, reply);
  }

  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<RequestOutcome> {
    if (!this.#connected) return Promise.resolve({ kind: "disconnected" });
    return new Promise((resolve) => {
      const end = (outcome: RequestOutcome): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", timeout);
        this.#broker.forget(reply);
        resolve(outcome);
      };
      const timeout = (): void => end({ kind: "timeout" });
      const reply = this.#broker.expectReply(this.#inbox, (answer) => {
        end({ kind: "reply", data: answer });
      });
      const timer = setTimeout(timeout, options.timeoutMs);
      options.signal?.addEventListener("abort", timeout, { once: true });
      if (this.#broker.deliver(subject, data, reply) === 0) end({ kind: "noResponders" });
    });
  }
}

function matches(pattern: readonly string[], subject: string): boolean {
  const tokens = subject.split(".");
  if (tokens.length !== pattern.length) return false;
  return pattern.every((token, index) => token === "*" || token === tokens[index]);
}

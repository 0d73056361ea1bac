import type {
  Bus,
  BusMessage,
  BusSubscription,
  RequestOptions,
  RequestOutcome,
} from "../../../src/protocol/bus.ts";
import type { Clock } from "../../../src/runtime/clock.ts";

/** A message on its way: whoever has the bag decides when it arrives, how often, and whether at all. */
export interface Message {
  readonly words: string;
  /** Who sent it and whom it goes to. */
  readonly between: readonly [string, string];
  arrive(): void;
}

interface Subscription {
  readonly pattern: readonly string[];
  readonly handler: (message: BusMessage) => void;
}

/** A broker whose messages wait in a bag until somebody takes them out. */
export class Network {
  readonly bag: Message[] = [];
  readonly clock: Clock;
  readonly #endpoints = new Map<string, Endpoint>();
  /** Told of every answer when it is sent. */
  onAnswer: (asked: Pick<BusMessage, "subject" | "data">, data: Uint8Array) => void = () =>
    undefined;
  #requests = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A client under a name; what an earlier one of that name had open is lost. */
  connect(name: string, inbox: string): Endpoint {
    this.disconnect(name);
    const endpoint = new Endpoint(this, name, inbox);
    this.#endpoints.set(name, endpoint);
    return endpoint;
  }

  disconnect(name: string): void {
    this.#endpoints.get(name)?.close();
    this.#endpoints.delete(name);
  }

  endpoint(name: string): Endpoint | undefined {
    return this.#endpoints.get(name);
  }

  listeners(subject: string): string[] {
    return [...this.#endpoints].flatMap(([name, endpoint]) =>
      endpoint.handlers(subject).length > 0 ? [name] : [],
    );
  }

  /** Puts a message for everybody who listens into the bag; returns how many do. */
  send(from: Endpoint, sent: Omit<BusMessage, "respond">): number {
    const respondAs = (name: string, data: Uint8Array): void => {
      const words = `the answer of ${name} to ${sent.subject} of ${from.name}`;
      const arrive = (): void => from.answered(sent.reply, data);
      this.onAnswer(sent, data);
      this.bag.push({ words, between: [name, from.name], arrive });
    };
    const listeners = this.listeners(sent.subject);
    for (const name of listeners) {
      const arrive = (): void => {
        const handlers = this.#endpoints.get(name)?.handlers(sent.subject) ?? [];
        const respond = (data: Uint8Array): void => respondAs(name, data);
        for (const handler of handlers) handler({ ...sent, respond });
      };
      const words = `${sent.subject} of ${from.name} to ${name}`;
      this.bag.push({ words, between: [from.name, name], arrive });
    }
    return listeners.length;
  }

  nextReply(inbox: string): string {
    this.#requests += 1;
    return `${inbox}.${this.#requests}`;
  }
}

export class Endpoint implements Bus {
  readonly name: string;
  readonly connected = true;
  readonly #network: Network;
  readonly #inbox: string;
  readonly #subscriptions = new Set<Subscription>();
  readonly #waiting = new Map<string, (outcome: RequestOutcome) => void>();
  #closed = false;

  constructor(network: Network, name: string, inbox: string) {
    this.#network = network;
    this.name = name;
    this.#inbox = inbox;
  }

  onConnectedChange(): () => void {
    return () => undefined;
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    const subscription = { pattern: subject.split("."), handler };
    this.#subscriptions.add(subscription);
    return { unsubscribe: () => this.#subscriptions.delete(subscription) };
  }

  publish(subject: string, data: Uint8Array): void {
    if (!this.#closed) this.#network.send(this, { subject, reply: undefined, data });
  }

  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<RequestOutcome> {
    if (this.#closed) return new Promise(() => undefined);
    const reply = this.#network.nextReply(this.#inbox);
    if (this.#network.send(this, { subject, reply, data }) === 0) {
      return Promise.resolve({ kind: "noResponders" });
    }
    return new Promise((resolve) => {
      const cancel = new AbortController();
      const end = (outcome: RequestOutcome): void => {
        if (!this.#waiting.delete(reply)) return;
        cancel.abort();
        resolve(outcome);
      };
      this.#waiting.set(reply, end);
      options.signal?.addEventListener("abort", () => end({ kind: "timeout" }), { once: true });
      void this.#network.clock
        .sleep(options.timeoutMs, cancel.signal)
        .then(() => end({ kind: "timeout" }));
    });
  }

  handlers(subject: string): ReadonlyArray<Subscription["handler"]> {
    return [...this.#subscriptions]
      .filter(({ pattern }) => matches(pattern, subject))
      .map(({ handler }) => handler);
  }

  /** An answer to a request that nobody waits for any more is lost. */
  answered(reply: string | undefined, data: Uint8Array): void {
    if (reply !== undefined) this.#waiting.get(reply)?.({ kind: "reply", data });
  }

  close(): void {
    this.#closed = true;
    this.#subscriptions.clear();
    this.#waiting.clear();
  }
}

function matches(pattern: readonly string[], subject: string): boolean {
  const tokens = subject.split(".");
  if (tokens.length !== pattern.length) return false;
  return pattern.every((token, index) => token === "*" || token === tokens[index]);
}

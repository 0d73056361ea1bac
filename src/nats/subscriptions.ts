import type { Msg, NatsConnection, Subscription } from "nats";
import type { BusMessage, BusSubscription } from "../protocol/bus.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";

export interface SubscriptionsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Sends a reply, on whatever connection there is by then. */
  readonly respond: (subject: string, data: Uint8Array) => void;
}

type Handler = (message: BusMessage) => unknown;

interface Wanted {
  readonly subject: string;
  readonly handler: Handler;
  /** What it is on the present connection. */
  live: Subscription | undefined;
}

/** A subscription that the broker denied is tried again after this: permissions change. */
const RETRY_DENIED_MS = 60_000;

/** What is subscribed to, whether there is a connection or not. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #wanted = new Set<Wanted>();
  #current: { readonly connection: NatsConnection; readonly ended: AbortController } | undefined;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** In force from now on or, if there is no connection, from the next. Throws a RangeError on a subject that cannot be. */
  add(subject: string, handler: Handler): BusSubscription {
    if (subject === "" || /\s/.test(subject)) throw new RangeError(`"${subject}" is not a subject`);
    const wanted: Wanted = { subject, handler, live: undefined };
    this.#wanted.add(wanted);
    this.#attach(wanted);
    return {
      unsubscribe: () => {
        this.#wanted.delete(wanted);
        wanted.live?.unsubscribe();
        wanted.live = undefined;
      },
    };
  }

  /** Puts all of them in force on a new connection. */
  attachAll(connection: NatsConnection): void {
    this.#current = { connection, ended: new AbortController() };
    for (const wanted of this.#wanted) this.#attach(wanted);
  }

  /** The connection is gone. */
  detachAll(): void {
    this.#current?.ended.abort();
    this.#current = undefined;
    for (const wanted of this.#wanted) wanted.live = undefined;
  }

  #attach(wanted: Wanted): void {
    const { connection } = this.#current ?? {};
    if (connection === undefined || connection.isDraining() || connection.isClosed()) return;
    wanted.live = connection.subscribe(wanted.subject, {
      callback: (error, message) => {
        if (error === null) this.#deliver(wanted, message);
        else this.#denied(wanted, error);
      },
    });
  }

  #denied(wanted: Wanted, error: Error): void {
    const { subject } = wanted;
    this.#options.logger.error({ subject, err: error }, "the broker denied a subscription");
    const ended = this.#current?.ended.signal;
    wanted.live = undefined;
    void this.#options.clock.sleep(RETRY_DENIED_MS, ended).then(() => {
      const due = ended?.aborted !== true && this.#wanted.has(wanted) && wanted.live === undefined;
      if (due) this.#attach(wanted);
    });
  }

  /** A handler that threw into the client would end its reading from the connection. */
  #deliver(wanted: Wanted, message: Msg): void {
    if (!this.#wanted.has(wanted)) return;
    try {
      const result = wanted.handler(this.#busMessage(message));
      if (result instanceof Promise) result.catch((thrown) => this.#contain(message, thrown));
    } catch (thrown) {
      this.#contain(message, thrown);
    }
  }

  #contain(message: Msg, thrown: unknown): void {
    const { subject } = message;
    this.#options.logger.error({ subject, err: thrown }, "a message handler failed");
  }

  #busMessage(message: Msg): BusMessage {
    const reply = message.reply === undefined || message.reply === "" ? undefined : message.reply;
    return {
      subject: message.subject,
      reply,
      data: message.data,
      respond: (data) => {
        if (reply !== undefined) this.#options.respond(reply, data);
      },
    };
  }
}

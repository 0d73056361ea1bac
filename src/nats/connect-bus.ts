import type { NatsConnection } from "nats";
import type {
  Bus,
  BusMessage,
  BusSubscription,
  RequestOptions,
  RequestOutcome,
} from "../protocol/bus.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { NoticeLog } from "../runtime/notice-log.ts";
import type { Random } from "../runtime/random.ts";
import type { NatsCredentials } from "./credentials.ts";
import { keepConnected } from "./keep-connected.ts";
import { Requests } from "./requests.ts";
import { parseServerUrl } from "./server-url.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface ConnectBusOptions {
  /** `nats://` or `tls://` URLs, at least one. */
  readonly servers: readonly string[];
  /** What the connection is called in the broker's monitoring. */
  readonly name: string;
  /** Prefix of the reply subjects of requests, see protocol/subjects.ts. */
  readonly inbox: string;
  /** Asked before every attempt to connect, so that new ones are used from then on. Undefined: none. */
  readonly credentials?: () => NatsCredentials | undefined;
  /**
   * Asked before every attempt to connect: the authorities of the broker's certificate, as PEM. Undefined: those that
   * the system knows. With an answer, or with a `tls://` URL, a connection without TLS is not wanted.
   */
  readonly ca?: () => string | undefined;
  /**
   * The broker does not want this user: its credentials have expired, are revoked, or are somebody else's. Told at
   * every attempt until they are good again; it is tried for ever. May not throw.
   */
  readonly onRefused?: (reason: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Aborting it closes the bus. */
  readonly signal?: AbortSignal;
  readonly timings?: Partial<BusTimings>;
}

/** All in milliseconds. */
export interface BusTimings {
  /** Between pings. A link that is dead shows itself after three. */
  readonly pingInterval: number;
  /** For one attempt to connect to one address. */
  readonly dialTimeout: number;
  /** For sending what is left when the bus is closed. */
  readonly drainTimeout: number;
}

/** A slow link needs a few round trips for TCP, TLS and the greeting. */
const TIMINGS: BusTimings = { pingInterval: 20_000, dialTimeout: 20_000, drainTimeout: 2_000 };

export interface NatsBus extends Bus, AsyncDisposable {
  /** Ends the wait before the next attempt to connect: it will fare better than the last, with new credentials. */
  dialNow(): void;
  /**
   * A request that several may answer, each of the broker's servers for instance: gives what has come when nothing
   * more does for 300 ms, or when `timeoutMs` are over. Undefined without a connection. Never throws.
   */
  requestMany(
    subject: string,
    data: Uint8Array,
    options: { readonly timeoutMs: number },
  ): Promise<readonly Uint8Array[] | undefined>;
  /**
   * Ends the bus: `connected` is false at once, messages that wait to be sent are sent if that takes no
   * longer than 2 s, and everything is closed when it resolves. Idempotent; never rejects.
   */
  close(): Promise<void>;
}

/**
 * A bus over NATS. Returns at once, whether the broker is there or not, and connects and reconnects for
 * as long as the bus is open. Throws a RangeError if `servers` is empty or has anything but server URLs.
 */
export function connectBus(options: ConnectBusOptions): NatsBus {
  if (options.servers.length === 0) throw new RangeError("no NATS server is given");
  for (const server of options.servers) parseServerUrl(server);
  return new ReconnectingBus(options);
}

interface Link {
  readonly connection: NatsConnection;
  readonly requests: Requests;
}

/**
 * INVARIANTS
 * - Each connection gets every subscription before anybody is told that it is there; the broker handles
 *   what one connection sends in order, so no reply to what is sent then can be missed.
 * - Nothing is kept for a later connection but the subscriptions.
 */
class ReconnectingBus implements NatsBus {
  readonly #logger: Logger;
  readonly #subscriptions: Subscriptions;
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #closing = new AbortController();
  #hurry = new AbortController();
  readonly #ended: Promise<void>;
  #link: Link | undefined;

  constructor({ signal, timings, ...options }: ConnectBusOptions) {
    const { clock, random, logger, servers, name, inbox } = options;
    const { credentials = nothing, ca = nothing, onRefused = nothing } = options;
    const { pingInterval, dialTimeout, drainTimeout } = { ...TIMINGS, ...timings };
    this.#logger = logger;
    const respond = (subject: string, data: Uint8Array): void => this.#send(subject, data);
    this.#subscriptions = new Subscriptions({ clock, logger, respond });
    const close = (): void => void this.close();
    signal?.addEventListener("abort", close, { once: true });
    const loop = {
      servers,
      clock,
      random,
      logger,
      denials: new NoticeLog(logger),
      drainTimeoutMs: drainTimeout,
      dial: {
        name,
        inbox,
        credentials,
        ca,
        pingIntervalMs: pingInterval,
        dialTimeoutMs: dialTimeout,
      },
      hurry: () => this.#hurry.signal,
      onUp: (connection: NatsConnection) => this.#up(connection),
      onDown: () => this.#down(),
      onRefused,
    };
    if (signal?.aborted === true) this.#closing.abort();
    this.#ended = keepConnected(loop, this.#closing.signal).finally(() => {
      signal?.removeEventListener("abort", close);
    });
  }

  get connected(): boolean {
    return this.#link !== undefined && !this.#closing.signal.aborted;
  }

  onConnectedChange(listener: (connected: boolean) => void): () => void {
    const own = (connected: boolean): void => listener(connected);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    return this.#subscriptions.add(subject, handler);
  }

  publish(subject: string, data: Uint8Array): void {
    if (this.connected) this.#send(subject, data);
  }

  async request(
    subject: string,
    data: Uint8Array,
    options: RequestOptions,
  ): Promise<RequestOutcome> {
    if (this.#link === undefined || !this.connected) return { kind: "disconnected" };
    return this.#link.requests.send({ subject, data, ...options });
  }

  async requestMany(
    subject: string,
    data: Uint8Array,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<readonly Uint8Array[] | undefined> {
    if (this.#link === undefined || !this.connected) return undefined;
    return this.#link.requests.sendToMany(subject, data, timeoutMs);
  }

  dialNow(): void {
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  async close(): Promise<void> {
    const connected = this.connected;
    this.#closing.abort();
    if (connected) this.#tell(false);
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #up(connection: NatsConnection): void {
    this.#link = { connection, requests: new Requests(connection) };
    this.#subscriptions.attachAll(connection);
    if (this.connected) this.#tell(true);
  }

  #down(): void {
    const { connected } = this;
    const link = this.#link;
    this.#link = undefined;
    this.#subscriptions.detachAll();
    link?.requests.end();
    if (connected) this.#tell(false);
  }

  #tell(connected: boolean): void {
    for (const listener of this.#listeners) {
      try {
        listener(connected);
      } catch (thrown) {
        this.#logger.error({ err: thrown }, "a listener to the broker's connection failed");
      }
    }
  }

  #send(subject: string, data: Uint8Array): void {
    try {
      this.#link?.connection.publish(subject, data);
    } catch (thrown) {
      this.#logger.error({ subject, bytes: data.length, err: thrown }, "a message was not sent");
    }
  }
}

function nothing(): undefined {
  return undefined;
}

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";
import { NatsFrames, type Frame } from "./nats-frames.ts";
import { encryptedEnds, type BrokerIdentity, type Ends } from "./tls-ends.ts";

/** What becomes of one message, or of one piece of a stream that is not understood. */
export type Fate = "pass" | "drop" | "duplicate" | "cut";

/** How a link behaves. */
export interface LinkRules {
  /** Nothing passes and nobody is told; what was held back passes when the silence ends. */
  readonly silent?: boolean;
  /** Only messages are dropped and duplicated: the protocol around them stays whole. */
  readonly fate?: (random: Random) => Fate;
  /** Messages keep their order, each direction by itself. */
  readonly delayMs?: (random: Random) => number;
}

export interface LinkOptions {
  readonly targetPort: number;
  /** NATS needs what the broker shows, or it could not be understood; anything else passes as it is. */
  readonly protocol: BrokerIdentity | "opaque";
  readonly random: Random;
  readonly clock: Clock;
}

interface Direction {
  readonly from: Socket;
  readonly to: Socket;
  readonly frames: NatsFrames | undefined;
  /** What came while the link was silent, or waits behind something that is delayed. */
  readonly queue: Frame[];
  pumping: boolean;
}

interface Pair extends Ends {
  directions: readonly Direction[];
  /** One of the two has gone, and the other must not know yet. */
  halfOpen: boolean;
}

/**
 * One process's connection to one server, as a TCP proxy that can go bad in the ways that networks do.
 * It knows the NATS protocol, so that it can lose and repeat single messages.
 */
export class Link implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #options: LinkOptions;
  readonly #pairs = new Set<Pair>();
  readonly #waiting = new Set<() => void>();
  #rules: LinkRules = {};

  private constructor(server: Server, options: LinkOptions) {
    const address = server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
    this.#server = server;
    this.#options = options;
    server.on("connection", (client) => this.#accept(client));
  }

  static async start(options: LinkOptions): Promise<Link> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Link(server, options);
  }

  /** From now on; `{}` is a link in order. */
  behave(rules: LinkRules): void {
    this.#rules = rules;
    for (const pair of this.#pairs) {
      for (const direction of pair.directions) void this.#pump(direction);
      if (pair.halfOpen && rules.silent !== true) this.#end(pair);
    }
    if (rules.silent !== true) for (const resolve of this.#waiting) resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const pair of this.#pairs) this.#end(pair);
  }

  #accept(client: Socket): void {
    const upstream = connect(this.#options.targetPort, "127.0.0.1");
    const pair: Pair = { client, upstream, directions: [], halfOpen: false };
    this.#pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      this.#watch(socket, pair);
    }
    const { protocol } = this.#options;
    if (protocol === "opaque") {
      this.#join(pair, pair);
      return;
    }
    encryptedEnds(pair, protocol, () => this.#heard()).then(
      (ends) => {
        for (const socket of [ends.client, ends.upstream]) this.#watch(socket, pair);
        this.#join(pair, ends);
      },
      () => this.#end(pair),
    );
  }

  #watch(socket: Socket, pair: Pair): void {
    socket.on("error", () => undefined);
    socket.on("close", () => {
      // The end of a connection does not pass a silent link either.
      if (this.#rules.silent === true) pair.halfOpen = true;
      else this.#end(pair);
    });
  }

  #join(pair: Pair, { client, upstream }: Ends): void {
    pair.directions = [this.#direction(client, upstream), this.#direction(upstream, client)];
  }

  /** Resolves when the link is not silent. */
  #heard(): Promise<void> {
    if (this.#rules.silent !== true) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    return promise.finally(() => this.#waiting.delete(resolve));
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.upstream.destroy();
  }

  #direction(from: Socket, to: Socket): Direction {
    const frames = this.#options.protocol === "opaque" ? undefined : new NatsFrames();
    const direction: Direction = { from, to, frames, queue: [], pumping: false };
    from.on("data", (chunk: Buffer) => {
      direction.queue.push(...(frames?.push(chunk) ?? [{ bytes: chunk, isMessage: false }]));
      void this.#pump(direction);
    });
    return direction;
  }

  async #pump(direction: Direction): Promise<void> {
    if (direction.pumping) return;
    direction.pumping = true;
    const { random, clock } = this.#options;
    while (this.#rules.silent !== true) {
      const frame = direction.queue.shift();
      if (frame === undefined) break;
      const delayMs = this.#rules.delayMs?.(random) ?? 0;
      if (delayMs > 0) await clock.sleep(delayMs);
      this.#pass(frame, direction);
    }
    direction.pumping = false;
  }

  #pass({ bytes, isMessage }: Frame, { from, to }: Direction): void {
    const { random } = this.#options;
    const fate = this.#rules.fate?.(random) ?? "pass";
    if (to.destroyed) return;
    if (fate === "cut") {
      // What is written arrives, and then the connection is gone.
      to.write(bytes.subarray(0, Math.ceil(bytes.length / 2)));
      to.destroySoon();
      from.destroy();
      return;
    }
    if (isMessage && fate === "drop") return;
    to.write(bytes);
    if (isMessage && fate === "duplicate") to.write(bytes);
  }
}

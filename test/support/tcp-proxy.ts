import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

interface Link {
  readonly client: Socket;
  /** Undefined while the proxy has been silent since before the connection was made. */
  upstream: Socket | undefined;
}

/**
 * A TCP proxy that can fall silent: connections stay open, nothing passes, not even their ends, and
 * nobody is told. So a network that swallows packets looks from either side.
 */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #links = new Set<Link>();
  #silent = false;
  #accepted = 0;

  private constructor(server: Server, targetPort: number) {
    const address = server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
    this.#server = server;
    this.#targetPort = targetPort;
    server.on("connection", (client) => this.#accept(client));
  }

  /** Listens on a free port of 127.0.0.1, and leads to another port there. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TcpProxy(server, targetPort);
  }

  /** How many connections were made to it, silent ones counted. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Silences what is connected now; new connections pass. */
  silenceOpen(): void {
    for (const link of this.#links) mute(link);
  }

  /** Silences everything: new connections are accepted, and then nothing comes. */
  silenceAll(): void {
    this.#silent = true;
    this.silenceOpen();
  }

  /** Lets everything pass again, also what was held back. */
  resume(): void {
    this.#silent = false;
    for (const link of this.#links) this.#join(link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const { client, upstream } of this.#links) {
      client.destroy();
      upstream?.destroy();
    }
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const link: Link = { client, upstream: undefined };
    this.#links.add(link);
    client.on("error", () => undefined);
    client.on("close", () => {
      this.#links.delete(link);
      link.upstream?.destroy();
    });
    if (this.#silent) client.pause();
    else this.#join(link);
  }

  #join(link: Link): void {
    const { client } = link;
    link.upstream ??= this.#connect(client);
    client.pipe(link.upstream);
    link.upstream.pipe(client);
  }

  #connect(client: Socket): Socket {
    const upstream = connect(this.#targetPort, "127.0.0.1");
    upstream.on("error", () => undefined);
    upstream.on("close", () => client.destroy());
    return upstream;
  }
}

function mute({ client, upstream }: Link): void {
  if (upstream === undefined) return;
  client.unpipe(upstream).pause();
  upstream.unpipe(client).pause();
}

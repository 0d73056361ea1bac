import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request as httpsRequest, type Server } from "node:https";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";

import type { Certificate } from "./certificate.ts";

/** What the proxy does to one request instead of passing it on. */
export type Fault =
  /** It answers itself, and the server never hears of the request. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** It breaks the connection, and the server never hears of the request. */
  | { readonly kind: "refuse" }
  /** The server does what is asked; its answer is lost, and the connection with it. */
  | { readonly kind: "lose" }
  /** The answer passes up to the middle of the first `at` in it; there the connection breaks. */
  | { readonly kind: "cut"; readonly at: string };

export interface ProxiedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The status of the answer, once there is one. */
  status?: number;
}

export interface FaultProxyOptions {
  readonly certificate: Certificate;
  /** The real API server. */
  readonly upstream: { readonly server: string; readonly ca: string };
}

/** A reverse proxy with its own certificate that counts requests and does to them what `fault` says. */
export class FaultProxy implements AsyncDisposable {
  readonly port: number;
  /** Everything that arrived, in its order. */
  readonly requests: ProxiedRequest[] = [];
  /** Asked about each request as it arrives; undefined passes it on. */
  fault: (request: ProxiedRequest) => Fault | undefined = () => undefined;
  readonly #server: Server;
  readonly #upstream: string;
  readonly #agent: Agent;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, { upstream }: FaultProxyOptions) {
    const address = server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
    this.#server = server;
    this.#upstream = upstream.server;
    this.#agent = new Agent({ ca: upstream.ca, keepAlive: true });
    server.on("secureConnection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    // A client that does not trust the certificate hangs up in the handshake.
    server.on("tlsClientError", () => undefined);
    server.on("request", (incoming, answer) => void this.#serve(incoming, answer));
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const server = createServer({ ...options.certificate }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FaultProxy(server, options);
  }

  /** Shows another certificate to whoever connects from now on. */
  present(certificate: Certificate): void {
    this.#server.setSecureContext({ ...certificate });
  }

  /** Breaks every connection to a client. */
  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.breakConnections();
    this.#agent.destroy();
  }

  async #serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? "/", this.#upstream);
    const request: ProxiedRequest = {
      method: incoming.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
    };
    this.requests.push(request);
    const fault = this.fault(request);
    if (fault?.kind === "refuse") {
      incoming.socket.destroy();
    } else if (fault?.kind === "answer") {
      request.status = fault.status;
      await buffer(incoming);
      answer.writeHead(fault.status, fault.headers ?? {}).end(fault.body);
    } else {
      // The client may go at any time, and so may the server: then so does the other connection.
      await this.#forward({ incoming, answer, url, request, fault }).catch(() =>
        incoming.socket.destroy(),
      );
    }
  }

  async #forward(exchange: Exchange): Promise<void> {
    const { incoming, answer, url, request, fault } = exchange;
    const { host: _, ...headers } = incoming.headers;
    const outgoing = httpsRequest(url, { method: request.method, headers, agent: this.#agent });
    answer.on("close", () => outgoing.destroy());
    outgoing.end(await buffer(incoming));
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    request.status = response.statusCode ?? 0;
    if (fault?.kind === "lose") {
      await buffer(response);
      incoming.socket.destroy();
      return;
    }
    answer.writeHead(request.status, response.headers).flushHeaders();
    for await (const chunk of passed(response, fault)) answer.write(chunk);
    // What was written before the cut has to arrive.
    if (fault?.kind === "cut") incoming.socket.destroySoon();
    else answer.end();
  }
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly answer: ServerResponse;
  readonly url: URL;
  readonly request: ProxiedRequest;
  readonly fault: Fault | undefined;
}

/** What the client gets of an answer: all, or all before the cut. */
async function* passed(
  response: AsyncIterable<Buffer>,
  fault: Fault | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  let seen = "";
  for await (const chunk of response) {
    if (fault?.kind !== "cut") {
      yield chunk;
      continue;
    }
    const before = seen.length;
    seen += chunk.toString("latin1");
    const found = seen.indexOf(fault.at);
    if (found === -1) {
      yield chunk;
      continue;
    }
    const end = found + Math.floor(fault.at.length / 2) - before;
    if (end > 0) yield chunk.subarray(0, end);
    return;
  }
}

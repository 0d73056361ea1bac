import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { runChecks, type Check } from "./checks.ts";
import { METRICS_CONTENT_TYPE } from "./instruments.ts";

export interface HttpServerOptions {
  /** 0 takes any that is free. */
  readonly port: number;
  readonly host: string;
  /** How the port is chosen, for the error when it cannot be had: `--http-port`. */
  readonly portOption: string;
  readonly metrics: () => Promise<string>;
  /** `/healthz`: what only a restart can mend. An outage of the broker or the API server is not that. */
  readonly health: readonly Check[];
  /**
   * `/readyz`: what has to be so before the process can do its work. Holding the lease is not of it: a
   * standby is ready, because it is ready to take over.
   */
  readonly ready: readonly Check[];
  readonly logger: Logger;
  readonly limits?: Partial<HttpLimits>;
}

/** What one client can take up. */
export interface HttpLimits {
  /** For the headers of a request, or between a connection and its first request. */
  readonly headersTimeoutMs: number;
  /** For a whole request. */
  readonly requestTimeoutMs: number;
  /** For a client that reads nothing of its answer. */
  readonly idleTimeoutMs: number;
  /** Between two requests of one connection. */
  readonly keepAliveTimeoutMs: number;
  readonly maxConnections: number;
}

const LIMITS: HttpLimits = {
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 10_000,
  keepAliveTimeoutMs: 5_000,
  maxConnections: 256,
};
const MAX_HEADER_BYTES = 8_192;

export interface HttpServer extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number };
  /** Ends at once: answers under way are cut off. Idempotent. */
  close(): Promise<void>;
}

/** The address cannot be had. The message says why, and by which option to choose another. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Serves `/healthz`, `/readyz` and `/metrics`. Resolves when it listens; rejects with a ListenError. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { logger } = options;
  const server = createBoundedServer({ ...LIMITS, ...options.limits }, (request, response) => {
    void answer(request, response, options);
  });
  await listen(server, options);
  // Without a listener an error while accepting (too many open files) would end the process.
  server.on("error", (thrown) => {
    logger.error({ err: thrown }, `the HTTP server failed: ${errorMessage(thrown)}`);
  });
  const address = addressOf(server);
  logger.info(address, "serving /healthz, /readyz and /metrics");
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { address, close, [Symbol.asyncDispose]: close };
}

function createBoundedServer(
  limits: HttpLimits,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const { headersTimeoutMs, requestTimeoutMs, idleTimeoutMs, maxConnections } = limits;
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs),
    },
    handler,
  );
  server.setTimeout(idleTimeoutMs);
  server.maxConnections = maxConnections;
  return server;
}

async function listen(server: Server, options: HttpServerOptions): Promise<void> {
  const { host, port, portOption } = options;
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen({ host, port }, listening.resolve);
  try {
    await listening.promise;
  } catch (thrown) {
    throw new ListenError(
      `cannot serve health and metrics on ${host}, port ${port} (${portOption}): ${obstacle(thrown)}`,
      { cause: thrown },
    );
  } finally {
    server.off("error", listening.reject);
  }
}

function obstacle(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return "another process listens there; choose another port, or 0 for any";
    case "EACCES":
      return "ports below 1024 need privileges; choose a higher one";
    default:
      return errorMessage(thrown);
  }
}

function addressOf(server: Server): HttpServer["address"] {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return { host: address.address, port: address.port };
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly contentType?: string;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpServerOptions,
): Promise<void> {
  const {
    status,
    text,
    contentType = "text/plain; charset=utf-8",
  } = await answerTo(request, options);
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(status === 405 ? { allow: "GET, HEAD", connection: "close" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

async function answerTo(request: IncomingMessage, options: HttpServerOptions): Promise<Answer> {
  const [path, query] = (request.url ?? "").split("?", 2);
  const endpoint = ENDPOINTS.get(path ?? "");
  if (endpoint === undefined) return { status: 404, text: "not found\n" };
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { status: 405, text: "method not allowed\n" };
  }
  return endpoint(options, { verbose: new URLSearchParams(query).has("verbose") });
}

type Endpoint = (
  options: HttpServerOptions,
  query: { readonly verbose: boolean },
) => Answer | Promise<Answer>;

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>([
  ["/healthz", ({ health }, query) => probed("healthz", health, query)],
  ["/readyz", ({ ready }, query) => probed("readyz", ready, query)],
  ["/metrics", scrape],
]);

function probed(name: string, checks: readonly Check[], query: { verbose: boolean }): Answer {
  const { passed, text } = runChecks(name, checks, query);
  return { status: passed ? 200 : 500, text };
}

async function scrape({ metrics, logger }: HttpServerOptions): Promise<Answer> {
  try {
    return { status: 200, text: await metrics(), contentType: METRICS_CONTENT_TYPE };
  } catch (thrown) {
    logger.error({ err: thrown }, `the metrics cannot be told: ${errorMessage(thrown)}`);
    return { status: 500, text: "the metrics cannot be told; the log says why\n" };
  }
}

import { type Dispatcher } from "undici";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { ApiError, apiErrorFromResponse } from "./api-error.ts";
import { ConnectionKeeper, type Connections } from "./connections.ts";
import { CredentialSource } from "./credentials.ts";
import { abortable, startDeadline, type Deadline } from "./deadline.ts";
import { parseJson } from "./json-values.ts";
import type { Credentials } from "./kubeconfig.ts";
import { withQuery, type Query } from "./resource-path.ts";
import { TransportError } from "./transport-error.ts";
import type { WatchEvent } from "./watch-event.ts";
import { readWatchStream } from "./watch-stream.ts";

export interface TransportRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/json` unless told; a PATCH must tell (`application/merge-patch+json`, …). */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export interface TransportResponse {
  readonly status: number;
  /** The parsed JSON, or the text where it is none (`/readyz` answers `ok`). */
  readonly body: unknown;
  /** The header of that name: the server's clock, in whole seconds. */
  readonly date?: string | undefined;
}

export interface WatchRequest {
  readonly path: string;
  /** `watch=true` is added. */
  readonly query?: Query;
  readonly signal: AbortSignal;
  /** The watchdog: without a byte for this long the watch fails with WatchIdleError. */
  readonly idleMs: number;
}

/** HTTP to one API server: pooled, authenticated, JSON in and out. */
export interface Transport extends AsyncDisposable {
  /** The URL of the API server. */
  readonly server: string;
  /** The namespace of the kubeconfig's context, or of the pod; `default` where there is none. */
  readonly namespace: string;
  /**
   * One request, at most 30 s with its time in the queue. Throws ApiError for any answer but 2xx,
   * TransportError when no whole answer came (**a write may then have been done, or not**), and the
   * signal's reason when that was aborted (the same holds).
   */
  request(request: TransportRequest): Promise<TransportResponse>;
  /**
   * A watch, as the events of its stream. It ends when the server ends it in peace. Throws ApiError for a
   * refusal or an ERROR event, TransportError (WatchIdleError) for everything that breaks, and the
   * signal's reason.
   */
  watch(request: WatchRequest): AsyncIterable<WatchEvent>;
  /** Waits for requests in progress, then ends the watches. Whoever watches should stop before. */
  close(): Promise<void>;
}

/** Told of every request when its answer has begun, or when it has none: then without a code. */
export interface RequestRecorder {
  request(request: {
    readonly method: TransportRequest["method"];
    readonly host: string;
    readonly code?: number;
  }): void;
}

export interface TransportOptions {
  /** Without it: KUBECONFIG, `~/.kube/config`, else the pod's service account. */
  readonly kubeconfigPath?: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Also names the field manager in managedFields (the part before the slash). */
  readonly userAgent?: string;
  readonly recorder?: RequestRecorder;
  readonly requestTimeoutMs?: number;
  readonly maxConnections?: number;
}

const REQUEST_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 32;
const CLOSE_TIMEOUT_MS = 5_000;

/** Reads the kubeconfig; connects with the first request. Throws KubeconfigError. */
export async function createTransport(options: TransportOptions): Promise<Transport> {
  return new HttpTransport(options, await CredentialSource.load(options));
}

type SignalledRequest = TransportRequest & { readonly signal: AbortSignal };

class HttpTransport implements Transport {
  readonly server: string;
  readonly namespace: string;
  readonly #clock: Clock;
  readonly #credentials: CredentialSource;
  readonly #connections: ConnectionKeeper;
  readonly #requestTimeoutMs: number;
  readonly #userAgent: string;
  readonly #origin: string;
  readonly #pathPrefix: string;
  readonly #host: string;
  readonly #recorder: RequestRecorder | undefined;
  #inProgress = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: TransportOptions, credentials: CredentialSource) {
    const { address } = credentials;
    this.server = address.server;
    this.namespace = address.namespace;
    this.#clock = options.clock;
    this.#credentials = credentials;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#userAgent = options.userAgent ?? "steward";
    const url = new URL(address.server);
    this.#origin = url.origin;
    this.#host = url.host;
    this.#recorder = options.recorder;
    this.#pathPrefix = url.pathname.replace(/\/$/, "");
    this.#connections = new ConnectionKeeper(address, {
      maxConnections: options.maxConnections ?? MAX_CONNECTIONS,
    });
  }

  async request(request: TransportRequest): Promise<TransportResponse> {
    const name = `${request.method} ${request.path}`;
    const deadline = startDeadline(this.#clock, this.#requestTimeoutMs, request.signal);
    this.#inProgress += 1;
    try {
      const answer = await this.#send("requests", { ...request, signal: deadline.signal });
      const text = await answer.body.text();
      const { statusCode: status } = answer;
      if (!isSuccess(status)) throw refusal(name, answer, text);
      const body = parseJson(text);
      const date = firstOf(answer.headers["date"]);
      return { status, body: body === undefined ? text : body, date };
    } catch (thrown) {
      throw failure(name, thrown, deadline);
    } finally {
      deadline.end();
      this.#inProgress -= 1;
      if (this.#inProgress === 0) this.#onIdle?.();
    }
  }

  async *watch(request: WatchRequest): AsyncGenerator<WatchEvent, void, undefined> {
    const { path, signal, idleMs } = request;
    const name = `watch ${path}`;
    // The time limit is for the beginning; then the watchdog takes over.
    const opening = startDeadline(this.#clock, this.#requestTimeoutMs, signal);
    try {
      const query = { ...request.query, watch: true };
      const asked = { method: "GET", path, query, signal: opening.signal } as const;
      const answer = await this.#send("watches", asked);
      if (!isSuccess(answer.statusCode)) throw refusal(name, answer, await answer.body.text());
      opening.lift();
      yield* readWatchStream(answer.body, { clock: this.#clock, request: name, idleMs });
    } catch (thrown) {
      throw failure(name, thrown, opening);
    } finally {
      opening.end();
    }
  }

  async close(): Promise<void> {
    const idle = Promise.withResolvers<void>();
    this.#onIdle = idle.resolve;
    const waited = new AbortController();
    const limit = this.#clock.sleep(CLOSE_TIMEOUT_MS, waited.signal);
    if (this.#inProgress > 0) await Promise.race([idle.promise, limit]);
    waited.abort();
    await this.#connections.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Also gives up where nobody looks at the signal: reading credentials, waiting for a connection. */
  async #send(
    pool: keyof Connections,
    request: SignalledRequest,
  ): Promise<Dispatcher.ResponseData> {
    return abortable(this.#sendAuthenticated(pool, request), request.signal);
  }

  /** Sends it, and after a 401 (which means that nothing was done) once more with renewed credentials. */
  async #sendAuthenticated(
    pool: keyof Connections,
    request: SignalledRequest,
  ): Promise<Dispatcher.ResponseData> {
    const credentials = await this.#credentials.current();
    const answer = await this.#sendWith(pool, request, credentials);
    if (answer.statusCode !== 401) return answer;
    const renewed = await this.#credentials.renew(credentials);
    if (renewed === undefined) return answer;
    await answer.body.dump();
    return this.#sendWith(pool, request, renewed);
  }

  async #sendWith(
    pool: keyof Connections,
    request: SignalledRequest,
    credentials: Credentials,
  ): Promise<Dispatcher.ResponseData> {
    const { method, body, signal } = request;
    const hasBody = body !== undefined;
    const headers: Record<string, string> = {
      ...credentials.headers,
      accept: "application/json",
      "user-agent": this.#userAgent,
      ...(hasBody ? { "content-type": request.contentType ?? "application/json" } : {}),
    };
    const sent = this.#connections.for(credentials.tls)[pool].request({
      origin: this.#origin,
      path: this.#pathPrefix + withQuery(request.path, request.query),
      method,
      headers,
      body: hasBody ? JSON.stringify(body) : null,
      signal,
    });
    return this.#recorded(method, sent);
  }

  async #recorded(
    method: TransportRequest["method"],
    sent: Promise<Dispatcher.ResponseData>,
  ): Promise<Dispatcher.ResponseData> {
    const host = this.#host;
    try {
      const answer = await sent;
      this.#recorder?.request({ method, host, code: answer.statusCode });
      return answer;
    } catch (thrown) {
      this.#recorder?.request({ method, host });
      throw thrown;
    }
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function refusal(name: string, answer: Dispatcher.ResponseData, text: string): Error {
  const retryAfter = firstOf(answer.headers["retry-after"]);
  return apiErrorFromResponse(name, answer.statusCode, text, retryAfter);
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** What is thrown for `thrown`: our own errors as they are, an abort with its reason, the rest wrapped. */
function failure(name: string, thrown: unknown, deadline: Deadline): unknown {
  if (thrown instanceof ApiError || thrown instanceof TransportError) return thrown;
  if (deadline.expired) {
    return new TransportError(`${name}: no answer in the time allowed`, { cause: thrown });
  }
  if (deadline.signal.aborted) return deadline.signal.reason;
  return new TransportError(`${name}: the connection failed`, { cause: thrown });
}

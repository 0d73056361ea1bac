import { AsyncLocalStorage } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import { Socket } from "node:net";
import { connect, type NatsConnection, type NodeConnectionOptions } from "nats";
import { authenticatorOf, type NatsCredentials } from "./credentials.ts";
import { parseServerUrl, type ServerUrl } from "./server-url.ts";

export interface DialOptions {
  /** What the connection is called in the broker's monitoring. */
  readonly name: string;
  /** Prefix of the reply subjects of requests. */
  readonly inbox: string;
  /** Asked before each attempt; undefined: with what the URL says, if anything. */
  readonly credentials: () => NatsCredentials | undefined;
  /** Asked before each attempt: the only authorities that are believed, as PEM; undefined: the system's. */
  readonly ca: () => string | undefined;
  readonly pingIntervalMs: number;
  readonly dialTimeoutMs: number;
}

/** Unanswered pings after which a connection counts as broken. */
const MAX_PINGS_OUT = 2;

const socketsOfAttempt = new AsyncLocalStorage<Set<Socket>>();
const socketChannel = channel("net.client.socket");

/**
 * One attempt to connect to one server. Where the URL says `tls://` or authorities are given, nothing is told to a
 * server that has not shown a certificate of theirs for its name or address. The connection that it gives does not reconnect: that is ours
 * to do, with our own delays, fresh credentials and no hidden state. Throws what made it fail.
 *
 * GUARANTEE: nothing of a failed or aborted attempt stays open. The client drops its socket without
 * closing it when something accepts the connection and then says nothing, as the proxies of satellite
 * links do; so the sockets of an attempt are noted through Node's diagnostics channel.
 */
export async function dial(
  server: string,
  options: DialOptions,
  signal: AbortSignal,
): Promise<NatsConnection> {
  const clientOptions = connectOptions(server, options);
  const sockets = new Set<Socket>();
  const note = (message: unknown): void => {
    if (socketsOfAttempt.getStore() !== sockets) return;
    const socket = socketOf(message);
    if (socket === undefined) return;
    sockets.add(socket);
    // It is connected right after this callback: destroyed now, it would come alive again.
    if (signal.aborted) process.nextTick(() => socket.destroy());
  };
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(new Error("given up"));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  socketChannel.subscribe(note);
  const connecting = socketsOfAttempt.run(sockets, () => connect(clientOptions));
  const settled = connecting.finally(() => socketChannel.unsubscribe(note));
  try {
    return await Promise.race([settled, aborted.promise]);
  } catch (thrown) {
    for (const socket of sockets) socket.destroy();
    settled.then((late) => late.close()).catch(() => {});
    throw thrown;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function socketOf(message: unknown): Socket | undefined {
  if (typeof message !== "object" || message === null || !("socket" in message)) return undefined;
  return message.socket instanceof Socket ? message.socket : undefined;
}

function connectOptions(server: string, options: DialOptions): NodeConnectionOptions {
  const url = parseServerUrl(server);
  const credentials = options.credentials();
  return {
    servers: [url.address],
    ...tlsOptions(url, options.ca()),
    ...(credentials === undefined
      ? url.credentials
      : { authenticator: authenticatorOf(credentials) }),
    name: options.name,
    inboxPrefix: options.inbox,
    reconnect: false,
    ignoreClusterUpdates: true,
    timeout: options.dialTimeoutMs,
    pingInterval: options.pingIntervalMs,
    maxPingOut: MAX_PINGS_OUT,
    noAsyncTraces: true,
  };
}

/** With the option there, the client refuses a server without TLS. */
function tlsOptions(
  { host, tls }: ServerUrl,
  ca: string | undefined,
): Pick<NodeConnectionOptions, "tls"> {
  if (!tls && ca === undefined) return {};
  // The client names the server to Node only if it is no address; Node then looks for "localhost" in its certificate.
  const identity = { rejectUnauthorized: true, host };
  return { tls: ca === undefined ? identity : { ...identity, ca } };
}

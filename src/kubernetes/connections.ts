import { Pool, ProxyAgent, type Dispatcher } from "undici";
import { sameTls, type ClusterAddress, type TlsMaterial } from "./kubeconfig.ts";

/** Below the API server's own idle limit (90 s) and those of the usual load balancers (60 s and up). */
const KEEP_ALIVE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Two pools, so that long watches never take the connections of requests, nor inherit their time-outs. */
export interface Connections {
  readonly requests: Dispatcher;
  readonly watches: Dispatcher;
}

export interface ConnectionLimits {
  /** How many connections requests may open; more requests than that wait for a free one. */
  readonly maxConnections: number;
}

/**
 * Keeps the pools of one API server. New certificates or a new CA make new pools; what runs on the
 * old ones ends in peace (a watch within its own time-out of minutes).
 */
export class ConnectionKeeper {
  readonly #address: ClusterAddress;
  readonly #limits: ConnectionLimits;
  #tls: TlsMaterial | undefined;
  #connections: Connections | undefined;
  /** Pools of earlier credentials that are still in use. */
  readonly #retired = new Set<Dispatcher>();

  constructor(address: ClusterAddress, limits: ConnectionLimits) {
    this.#address = address;
    this.#limits = limits;
  }

  for(tls: TlsMaterial): Connections {
    const existing = this.#connections;
    const known = this.#tls;
    this.#tls = tls;
    if (existing !== undefined && known !== undefined) {
      if (known === tls || sameTls(known, tls)) return existing;
      this.#retire(existing.requests);
      this.#retire(existing.watches);
    }
    this.#connections = openConnections(this.#address, tls, this.#limits);
    return this.#connections;
  }

  /** Ends all that is under way at once. */
  async destroy(): Promise<void> {
    const { requests, watches } = this.#connections ?? {};
    const all = [requests, watches, ...this.#retired];
    await Promise.all(all.map(async (dispatcher) => dispatcher?.destroy()));
  }

  #retire(dispatcher: Dispatcher): void {
    this.#retired.add(dispatcher);
    void dispatcher.close().finally(() => this.#retired.delete(dispatcher));
  }
}

function openConnections(
  address: ClusterAddress,
  tls: TlsMaterial,
  limits: ConnectionLimits,
): Connections {
  return {
    requests: openPool(address, tls, { connections: limits.maxConnections }),
    watches: openPool(address, tls, {}),
  };
}

function openPool(address: ClusterAddress, tls: TlsMaterial, own: Pool.Options): Dispatcher {
  // HTTP/1.1: measured at half the client CPU of undici's HTTP/2, and one lost connection then costs
  // one request.
  const options: Pool.Options = {
    ...own,
    allowH2: false,
    // The transport keeps the time, over the whole of a request with its wait for a connection; and a
    // quiet watch is a healthy one, which its watchdog tells from a dead one.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
  };
  const connect = {
    ...tls,
    timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  if (address.proxyUrl !== undefined) {
    return new ProxyAgent({ ...options, uri: address.proxyUrl, requestTls: connect });
  }
  return new Pool(new URL(address.server).origin, { ...options, connect });
}

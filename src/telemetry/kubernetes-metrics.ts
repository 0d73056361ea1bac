import type { Count, Instruments, Sample } from "./instruments.ts";

/** One request to the API server. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Of the server, with its port if that is not the usual one. */
  readonly host: string;
  /** The status of the answer; absent if none came. */
  readonly code?: number | undefined;
}

/** How a watch can end so that it is begun anew. */
export type WatchEnd = "closed" | "idle" | "gone" | "rejected" | "throttled" | "failed";

/** What the connection to Kubernetes tells, under client-go's names where it has one. */
export class KubernetesMetrics {
  readonly #requests: Count<"code" | "method" | "host">;
  readonly #restarts: Count<"resource" | "reason">;
  readonly #electors = new Map<string, { readonly isLeader: boolean }>();

  constructor(instruments: Instruments) {
    this.#requests = instruments.counter({
      name: "rest_client_requests_total",
      help: "Requests to the API server, by status; <error> is a request without an answer.",
      labels: ["code", "method", "host"],
    });
    this.#restarts = instruments.counter({
      name: "steward_watch_restarts_total",
      help: "Watches and lists that ended and were begun anew, by how they ended; closed is normal.",
      labels: ["resource", "reason"],
    });
    instruments.gauge({
      name: "leader_election_master_status",
      help: "1 if this process holds the lease, 0 if it stands by.",
      labels: ["name"],
      collect: () =>
        [...this.#electors].map(([name, { isLeader }]): Sample<"name"> => [
          { name },
          isLeader ? 1 : 0,
        ]),
    });
  }

  request({ method, host, code }: ApiRequest): void {
    this.#requests({ method, host, code: codeLabel(code) });
  }

  /** Told once an attempt at listing or watching has ended and another one follows. */
  watchRestarted(resource: string, reason: WatchEnd): void {
    this.#restarts({ resource, reason });
  }

  /** Whether this process holds the lease of that name is asked at each scrape. */
  followLease(name: string, elector: { readonly isLeader: boolean }): void {
    this.#electors.set(name, elector);
  }
}

/** A broken proxy may answer anything: only what is a status becomes a label. */
function codeLabel(code: number | undefined): string {
  const isStatus = code !== undefined && Number.isInteger(code) && code >= 100 && code <= 599;
  return isStatus ? String(code) : "<error>";
}

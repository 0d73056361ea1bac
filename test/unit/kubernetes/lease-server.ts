import { ApiError } from "../../../src/kubernetes/api-error.ts";
import type { Lease, LeaseSpec } from "../../../src/kubernetes/lease.ts";
import { TransportError } from "../../../src/kubernetes/transport-error.ts";
import type {
  Transport,
  TransportRequest,
  TransportResponse,
} from "../../../src/kubernetes/transport.ts";

/**
 * What becomes of a request: `answer` it is done; `refuse` no connection; `hang` nothing, for ever, whatever
 * its signal says; `lose` it is done and the connection breaks before the answer.
 */
export type Fate = "answer" | "refuse" | "hang" | "lose";

/** An API server with room for one lease, and its rules for versions. */
export class LeaseServer implements Pick<Transport, "request"> {
  lease: Lease | undefined;
  /** `METHOD holder@transitions` of every write that was done. */
  readonly written: string[] = [];
  readonly asked: string[] = [];
  /** Asked for every request. */
  fate: (request: TransportRequest) => Fate = () => "answer";
  /** Called before a request is looked at: others act here. */
  before: (request: TransportRequest) => void = () => undefined;
  /** Called when a request was done; its answer comes when this is over. */
  after: (request: TransportRequest) => Promise<void> = () => Promise.resolve();
  #version = 0;

  async request(request: TransportRequest): Promise<TransportResponse> {
    this.asked.push(request.method);
    this.before(request);
    const fate = this.fate(request);
    if (fate === "hang") return new Promise<never>(() => undefined);
    if (fate === "refuse") throw new TransportError("connection refused");
    const body = this.#answer(request);
    await this.after(request);
    if (fate === "lose") throw new TransportError("connection reset");
    return { status: 200, body };
  }

  /** Another elector, or a person, writes. */
  put(spec: LeaseSpec, labels?: Readonly<Record<string, string>>): void {
    this.#version += 1;
    const metadata = {
      namespace: "steward",
      name: "controller",
      uid: this.lease?.metadata.uid ?? `uid-${this.#version}`,
      resourceVersion: String(this.#version),
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(labels === undefined ? {} : { labels }),
    };
    this.lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec };
  }

  #answer({ method, body }: TransportRequest): Lease {
    if (method === "GET") {
      if (this.lease === undefined) throw refusal(404, "NotFound");
      return structuredClone(this.lease);
    }
    const { metadata, spec = {} } = body as Lease;
    if (method === "POST" && this.lease !== undefined) throw refusal(409, "AlreadyExists");
    if (method === "PUT" && !this.#isCurrent(metadata)) throw refusal(409, "Conflict");
    this.put(spec, metadata.labels);
    this.written.push(`${method} ${spec.holderIdentity ?? ""}@${spec.leaseTransitions ?? 0}`);
    return structuredClone(this.lease as unknown as Lease);
  }

  #isCurrent({ uid, resourceVersion }: Lease["metadata"]): boolean {
    const current = this.lease?.metadata;
    return uid === current?.uid && resourceVersion === current.resourceVersion;
  }
}

export function refusal(status: number, reason: string): ApiError {
  return new ApiError(`${status} ${reason}`, { status, reason, details: {} });
}

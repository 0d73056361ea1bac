import { ApiError } from "../../src/kubernetes/api-error.ts";
import type { EdgeCommand } from "../../src/api/v1alpha1/edgecommand.ts";
import { resourcePath } from "../../src/kubernetes/resource-path.ts";
import type { Transport, TransportRequest } from "../../src/kubernetes/transport.ts";
import { TransportError } from "../../src/kubernetes/transport-error.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Trace } from "./trace.ts";

export const EDGE_COMMANDS = {
  group: "steward.dev",
  version: "v1alpha1",
  plural: "edgecommands",
  kind: "EdgeCommand",
} as const;

/** What came of an action: `absent` and `exists` are the server's word that it is not as was thought. */
export type Done = "done" | "absent" | "exists";

const RETRY_MS = 250;

/**
 * A person with kubectl and patience: goes to the API server directly, and asks again until there is an
 * answer. What an unanswered request did is found out by the next one.
 */
export class ApiUser {
  readonly #transport: Transport;
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #signal: AbortSignal;

  constructor(
    access: { readonly transport: Transport; readonly namespace: string },
    { clock, trace, signal }: { clock: Clock; trace: Trace; signal: AbortSignal },
  ) {
    this.#transport = access.transport;
    this.#namespace = access.namespace;
    this.#clock = clock;
    this.#trace = trace;
    this.#signal = signal;
  }

  async createNamespace(): Promise<void> {
    const body = {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: this.#namespace },
    };
    await this.#do({ method: "POST", path: "/api/v1/namespaces", body });
  }

  async create(name: string, spec: object): Promise<Done> {
    const { group, version, kind } = EDGE_COMMANDS;
    const body = { apiVersion: `${group}/${version}`, kind, metadata: { name }, spec };
    return this.#do({ method: "POST", path: this.#path(), body });
  }

  /** A merge patch of the spec: null removes a field. */
  async edit(name: string, spec: object): Promise<Done> {
    return this.#do({
      method: "PATCH",
      path: this.#path(name),
      body: { spec },
      contentType: "application/merge-patch+json",
    });
  }

  async delete(name: string): Promise<Done> {
    return this.#do({ method: "DELETE", path: this.#path(name) });
  }

  async get(name: string): Promise<EdgeCommand | undefined> {
    try {
      const { body } = await this.#persist({ method: "GET", path: this.#path(name) });
      return body as EdgeCommand;
    } catch (thrown) {
      if (isAbsent(thrown)) return undefined;
      throw thrown;
    }
  }

  async list(): Promise<readonly EdgeCommand[]> {
    const { body } = await this.#persist({ method: "GET", path: this.#path() });
    return (body as { readonly items: readonly EdgeCommand[] }).items;
  }

  /** How many of the nodes say that they are ready. */
  async readyNodes(): Promise<number> {
    const path = resourcePath({ ...EDGE_COMMANDS, plural: "edgenodes" }, this.#namespace);
    const { body } = await this.#persist({ method: "GET", path });
    const { items } = body as { readonly items: readonly NodeObject[] };
    return items.filter(({ status }) => status?.conditions?.some(isReady) === true).length;
  }

  #path(name?: string): string {
    return resourcePath(EDGE_COMMANDS, this.#namespace, name);
  }

  async #do(request: TransportRequest): Promise<Done> {
    try {
      await this.#persist(request);
      return "done";
    } catch (thrown) {
      if (isAbsent(thrown)) return "absent";
      if (thrown instanceof ApiError && thrown.isAlreadyExists()) return "exists";
      throw thrown;
    }
  }

  async #persist(request: TransportRequest): Promise<{ readonly body: unknown }> {
    for (;;) {
      try {
        return await this.#transport.request({ ...request, signal: this.#signal });
      } catch (thrown) {
        this.#signal.throwIfAborted();
        if (!mayPass(thrown)) throw thrown;
        this.#trace.add("retry", { path: request.path, error: String(thrown) });
        await this.#clock.sleep(RETRY_MS, this.#signal);
        this.#signal.throwIfAborted();
      }
    }
  }
}

interface NodeObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

function isReady({ type, status }: { readonly type: string; readonly status: string }): boolean {
  return type === "Ready" && status === "True";
}

/** The object is not there; a 404 that names none is a kind that is not served yet. */
function isAbsent(thrown: unknown): boolean {
  return thrown instanceof ApiError && thrown.isNotFound() && thrown.details.name !== undefined;
}

const WHILE_STARTING: ReadonlySet<number> = new Set([401, 403, 404]);

/** Server trouble, and what a server says that has just started: it knows neither rights nor CRDs yet. */
function mayPass(thrown: unknown): boolean {
  if (thrown instanceof TransportError) return true;
  if (!(thrown instanceof ApiError) || isAbsent(thrown)) return false;
  return thrown.isTransient() || WHILE_STARTING.has(thrown.status);
}

import type { EdgeCommand } from "../../src/api/v1alpha1/edgecommand.ts";
import { ApiError } from "../../src/kubernetes/api-error.ts";
import { resourcePath } from "../../src/kubernetes/resource-path.ts";
import type { Transport } from "../../src/kubernetes/transport.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { EDGE_COMMANDS } from "./api-user.ts";
import { versionOf, type Version } from "./evidence.ts";
import type { Trace } from "./trace.ts";

export interface HistoryOptions {
  readonly transport: Transport;
  readonly namespace: string;
  readonly clock: Clock;
  readonly trace: Trace;
}

/** Sooner than the controllers come back: what they write then is to be seen version by version. */
const RETRY_MS = 200;
/** Longer than the time between two bookmarks. */
const IDLE_MS = 90_000;

/**
 * Every version of every EdgeCommand, from a watch of its own: it goes on where it was, so that it misses
 * versions only where the API server itself has forgotten them.
 */
export class History implements AsyncDisposable {
  readonly versions: Version[] = [];
  readonly #options: HistoryOptions;
  readonly #path: string;
  #restores = 0;
  #restoredAtMs = -Infinity;
  /** From where to go on; undefined: list anew. */
  #resourceVersion: string | undefined;
  #stop = new AbortController();
  #watching: Promise<void>;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#path = resourcePath(EDGE_COMMANDS, options.namespace);
    this.#watching = this.#follow();
  }

  /** etcd has gone back in time: what is seen from now on does not follow from what was seen before. */
  async restored(): Promise<void> {
    await this.#end();
    this.#restores += 1;
    this.#restoredAtMs = this.#options.trace.nowMs;
    this.#resourceVersion = undefined;
    this.#stop = new AbortController();
    this.#watching = this.#follow();
  }

  get restores(): number {
    return this.#restores;
  }

  /** The last time; in the time of the trace. */
  get restoredAtMs(): number {
    return this.#restoredAtMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#list(signal);
        await this.#watch(signal);
      } catch (thrown) {
        if (signal.aborted) return;
        if (thrown instanceof ApiError && thrown.isGone()) this.#resourceVersion = undefined;
        await this.#options.clock.sleep(RETRY_MS, signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    if (this.#resourceVersion !== undefined) return;
    const request = { method: "GET", path: this.#path, signal } as const;
    const { items, metadata } = (await this.#options.transport.request(request)).body as {
      readonly items: readonly EdgeCommand[];
      readonly metadata: { readonly resourceVersion: string };
    };
    for (const item of items) this.#record(item, "LISTED");
    this.#resourceVersion = metadata.resourceVersion;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const query = { resourceVersion: this.#resourceVersion, allowWatchBookmarks: true };
    const watch = { path: this.#path, query, signal, idleMs: IDLE_MS };
    for await (const { type, object, resourceVersion } of this.#options.transport.watch(watch)) {
      if (type !== "BOOKMARK") this.#record(object as unknown as EdgeCommand, type);
      this.#resourceVersion = resourceVersion;
    }
  }

  #record(object: EdgeCommand, type: string): void {
    const { trace } = this.#options;
    const at = { atMs: trace.nowMs, restores: this.#restores, deleted: type === "DELETED" };
    const version = versionOf(object, at);
    this.versions.push(version);
    const { name, uid, generation, phase, run } = version;
    const { runID, reason, declared, started } = run ?? {};
    trace.add("seen", { name, uid, generation, phase, type, declared, runID, started, reason });
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}

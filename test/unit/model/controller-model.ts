import type { KubernetesObject } from "../../../src/api/meta.ts";
import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import { edgeNodeStatus, type EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import { Controller } from "../../../src/controller/controller.ts";
import type { NodeStore, ResourceStore } from "../../../src/controller/ports.ts";
import { ObjectCache } from "../../../src/kubernetes/object-cache.ts";
import type { Bus } from "../../../src/protocol/bus.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import type { Logger } from "../../../src/runtime/logger.ts";
import {
  ApiError,
  apiErrors,
  type Cluster,
  type Collection,
  type StoredObject,
} from "./cluster.ts";

const CLUSTER_ID = "c1c1c1c1-0000-4000-8000-000000000001";
const GRACE_MS = 100_000;

/** A request to the API server that has not been answered. */
export interface Call {
  /** The controller that asks. */
  readonly by: string;
  readonly words: string;
  /** The server does it, if it has not; then the answer is known. */
  perform(): void;
  answer(): void;
  /** The caller never learns what came of it. */
  fail(): void;
}

export interface Surroundings {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly calls: Call[];
  readonly newID: () => string;
}

/** A cache that lags behind the API server, and calls that are answered when somebody says so. */
class LaggingStore<T extends StoredObject> implements ResourceStore<T> {
  readonly #collection: Collection<T>;
  readonly #cache = new ObjectCache<T>();
  readonly #submit: <R>(words: string, perform: () => R) => Promise<R>;
  readonly #onChange: (object: T, deleted: boolean) => void;
  #position = 0;

  constructor(
    collection: Collection<T>,
    submit: <R>(words: string, perform: () => R) => Promise<R>,
    onChange: (object: T, deleted: boolean) => void,
  ) {
    this.#collection = collection;
    this.#submit = submit;
    this.#onChange = onChange;
  }

  list(): IterableIterator<T> {
    return this.#cache.values();
  }

  get(key: string): T | undefined {
    return this.#cache.get(key);
  }

  /** The initial list. */
  fill(resourceVersion: string): void {
    this.#position = this.#collection.log.length;
    for (const { object } of this.#cache.replace(
      new Map(this.#collection.objects),
      resourceVersion,
    )) {
      this.#onChange(object, false);
    }
  }

  /** Takes in the next event of the watch; false if there is none. */
  catchUp(): boolean {
    const event = this.#collection.log[this.#position];
    if (event === undefined) return false;
    this.#position += 1;
    const changes =
      event.type === "upsert" ? this.#cache.upsert(event.object) : this.#cache.remove(event.object);
    for (const { type, object } of changes) this.#onChange(object, type === "deleted");
    return true;
  }

  async getLive(namespace: string, name: string): Promise<T | undefined> {
    const live = await this.#submit(`reads ${name}`, () =>
      this.#collection.get(`${namespace}/${name}`),
    );
    if (live !== undefined) this.#cache.observe(live);
    return live;
  }

  async updateStatus(object: T, status: object): Promise<T> {
    const words = `writes the status of ${object.metadata.name}`;
    const written = await this.#submit(words, () => this.#collection.updateStatus(object, status));
    this.#cache.observe(written);
    return written;
  }

  delete(object: T): Promise<void> {
    return this.#submit(`deletes ${object.metadata.name}`, () => this.#collection.delete(object));
  }

  async create(made: T): Promise<T> {
    const created = await this.#submit(`creates ${made.metadata.name}`, () => {
      if (this.#collection.get(`${made.metadata.namespace}/${made.metadata.name}`) !== undefined) {
        throw new ApiError("AlreadyExists");
      }
      return this.#collection.put(made);
    });
    this.#cache.observe(created);
    return created;
  }
}

/** The real controller, from its start to its crash. */
export class ControllerModel {
  readonly #surroundings: Surroundings;
  readonly #name: string;
  readonly #commands: LaggingStore<EdgeCommand>;
  readonly #nodes: LaggingStore<EdgeNode>;
  readonly #controller: Controller;
  readonly #life = new AbortController();

  constructor(name: string, surroundings: Surroundings, bus: Bus) {
    const { cluster, clock, logger, newID } = surroundings;
    this.#name = name;
    this.#surroundings = surroundings;
    this.#commands = new LaggingStore(cluster.commands, this.#submit, (object, deleted) => {
      this.#controller.commandChanged(object, deleted);
    });
    this.#nodes = new LaggingStore(cluster.nodes, this.#submit, (object, deleted) => {
      this.#controller.nodeChanged(object, deleted);
    });
    this.#controller = new Controller({
      commands: this.#commands,
      nodes: registering(this.#nodes, newID),
      errors: apiErrors,
      bus,
      events: { record: () => undefined },
      values: { read: () => Promise.resolve("notFound") },
      // Forged messages are no part of this: without signatures the walks are longer in the same time.
      security: () => "insecure",
      registerNodes: true,
      nodeGracePeriodMs: GRACE_MS,
      clock,
      random: () => 1,
      logger,
      mayAct: () => !this.#life.signal.aborted,
    });
    this.#commands.fill(cluster.resourceVersion);
    this.#nodes.fill(cluster.resourceVersion);
    void this.#controller.run(this.#life.signal, CLUSTER_ID);
  }

  catchUp(kind: "commands" | "nodes"): boolean {
    return kind === "commands" ? this.#commands.catchUp() : this.#nodes.catchUp();
  }

  crash(): void {
    this.#life.abort();
  }

  readonly #submit = <R>(words: string, perform: () => R): Promise<R> => {
    if (this.#life.signal.aborted) return new Promise(() => undefined);
    const { calls } = this.#surroundings;
    return new Promise<R>((resolve, reject) => {
      let settle: (() => void) | undefined;
      const call: Call = {
        by: this.#name,
        words: `${this.#name} ${words}`,
        perform: () => {
          settle ??= this.#outcome(perform, resolve, reject);
        },
        answer: () => {
          call.perform();
          if (!this.#life.signal.aborted) settle?.();
        },
        fail: () => {
          if (!this.#life.signal.aborted) reject(new ApiError("Unavailable"));
        },
      };
      calls.push(call);
    });
  };

  #outcome<R>(perform: () => R, resolve: (value: R) => void, reject: (thrown: Error) => void) {
    try {
      const value = perform();
      return () => resolve(value);
    } catch (thrown) {
      if (!(thrown instanceof ApiError)) throw thrown;
      return () => reject(thrown);
    }
  }
}

function registering(store: LaggingStore<EdgeNode>, newID: () => string): NodeStore {
  return {
    get: (key) => store.get(key),
    list: () => store.list(),
    getLive: (namespace, name) => store.getLive(namespace, name),
    updateStatus: (object, status) => store.updateStatus(object, status),
    updateSpec: () => Promise.reject(new TypeError("nobody enrolls where nothing is signed")),
    delete: (object) => store.delete(object),
    create: ({ metadata, spec }) =>
      store.create({
        apiVersion: "steward.dev/v1alpha1",
        kind: "EdgeNode",
        metadata: {
          ...metadata,
          uid: newID(),
          resourceVersion: "",
          generation: 1,
          creationTimestamp: "2026-01-01T00:00:00Z",
        } satisfies KubernetesObject["metadata"],
        spec,
        status: edgeNodeStatus.parse(undefined),
      }),
  };
}

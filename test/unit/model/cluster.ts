import { objectKey, type KubernetesObject } from "../../../src/api/meta.ts";
import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import type { EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import type { StoreErrors } from "../../../src/controller/ports.ts";

export type StoredObject = KubernetesObject & { readonly status: object };

export class ApiError extends Error {
  readonly reason: "Conflict" | "NotFound" | "AlreadyExists" | "Unavailable";

  constructor(reason: ApiError["reason"]) {
    super(reason);
    this.reason = reason;
  }
}

export const apiErrors: StoreErrors = {
  isConflict: (thrown) => thrown instanceof ApiError && thrown.reason === "Conflict",
  isNotFound: (thrown) => thrown instanceof ApiError && thrown.reason === "NotFound",
  isAlreadyExists: (thrown) => thrown instanceof ApiError && thrown.reason === "AlreadyExists",
};

export interface WatchEvent<T> {
  readonly type: "upsert" | "remove";
  readonly object: T;
}

/** etcd's revision: one for all kinds, and set back by a restore. */
export class Revision {
  value = 1;

  next(): string {
    this.value += 1;
    return String(this.value);
  }
}

/** The objects of one kind as the API server has them, and everything that a watch would tell. */
export class Collection<T extends StoredObject> {
  readonly #revision: Revision;
  #objects = new Map<string, T>();
  readonly log: WatchEvent<T>[] = [];
  /** Told of every status write. */
  onStatusWrite: (before: T, after: T) => void = () => undefined;

  constructor(revision: Revision) {
    this.#revision = revision;
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** Creates the object, or replaces it. */
  put(object: T): T {
    const resourceVersion = this.#revision.next();
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion } };
    this.#objects.set(objectKey(stored.metadata), stored);
    this.log.push({ type: "upsert", object: stored });
    return stored;
  }

  remove(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    const resourceVersion = this.#revision.next();
    const removed = { ...object, metadata: { ...object.metadata, resourceVersion } };
    this.log.push({ type: "remove", object: removed });
  }

  /** A PUT of the status subresource with uid and resourceVersion. */
  updateStatus(object: T, status: object): T {
    const before = this.#asItWasRead(object);
    const after = this.put({ ...before, status: structuredClone(status) });
    this.onStatusWrite(before, after);
    return after;
  }

  delete(object: T): void {
    this.#asItWasRead(object);
    this.remove(objectKey(object.metadata));
  }

  snapshot(): ReadonlyMap<string, T> {
    return new Map(this.#objects);
  }

  restore(snapshot: ReadonlyMap<string, T>): void {
    this.#objects = new Map(snapshot);
    this.log.length = 0;
  }

  #asItWasRead({ metadata }: T): T {
    const live = this.#objects.get(objectKey(metadata));
    if (live === undefined) throw new ApiError("NotFound");
    const isSame =
      live.metadata.uid === metadata.uid &&
      live.metadata.resourceVersion === metadata.resourceVersion;
    if (!isSame) throw new ApiError("Conflict");
    return live;
  }
}

export interface Backup {
  readonly revision: number;
  readonly commands: ReadonlyMap<string, EdgeCommand>;
  readonly nodes: ReadonlyMap<string, EdgeNode>;
}

/** The API server and etcd. */
export class Cluster {
  readonly #revision = new Revision();
  readonly commands = new Collection<EdgeCommand>(this.#revision);
  readonly nodes = new Collection<EdgeNode>(this.#revision);

  get resourceVersion(): string {
    return String(this.#revision.value);
  }

  backup(): Backup {
    return {
      revision: this.#revision.value,
      commands: this.commands.snapshot(),
      nodes: this.nodes.snapshot(),
    };
  }

  restore(backup: Backup): void {
    this.#revision.value = backup.revision;
    this.commands.restore(backup.commands);
    this.nodes.restore(backup.nodes);
  }
}

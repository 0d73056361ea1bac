import { randomUUID } from "node:crypto";

import { objectKey, type KubernetesObject } from "../../src/api/meta.ts";
import type { ResourceStore, StoreErrors } from "../../src/controller/ports.ts";

class StoreError extends Error {
  readonly reason: "Conflict" | "NotFound" | "AlreadyExists";

  constructor(reason: StoreError["reason"]) {
    super(reason);
    this.reason = reason;
  }
}

export const fakeStoreErrors: StoreErrors = {
  isConflict: (thrown) => thrown instanceof StoreError && thrown.reason === "Conflict",
  isNotFound: (thrown) => thrown instanceof StoreError && thrown.reason === "NotFound",
  isAlreadyExists: (thrown) => thrown instanceof StoreError && thrown.reason === "AlreadyExists",
};

type Stored = KubernetesObject & { readonly status: object };

/**
 * One resource in memory, with the API server's rules for versions and uids. The cache follows at once,
 * unless `watching` is set to false: then it stands still, as during a watch that has gone silent.
 */
export class FakeStore<T extends Stored> implements ResourceStore<T> {
  readonly #kind: string;
  readonly #live = new Map<string, T>();
  readonly #cache = new Map<string, T>();
  readonly #onChange: (object: T, deleted: boolean) => void;
  #version = 1;
  watching = true;
  /** Status writes that were done, and all calls to the API server. */
  writes = 0;
  calls = 0;

  constructor(kind: string, onChange: (object: T, deleted: boolean) => void) {
    this.#kind = kind;
    this.#onChange = onChange;
  }

  get(key: string): T | undefined {
    return this.#cache.get(key);
  }

  list(): Iterable<T> {
    return this.#cache.values();
  }

  async getLive(namespace: string, name: string): Promise<T | undefined> {
    this.calls += 1;
    const live = this.#live.get(objectKey({ namespace, name }));
    const cached = live && this.#cache.get(objectKey(live.metadata));
    if (live !== undefined && cached?.metadata.uid === live.metadata.uid) this.#cached(live);
    return Promise.resolve(live);
  }

  async create(object: {
    metadata: { namespace: string; name: string };
    spec?: object;
  }): Promise<T> {
    this.calls += 1;
    if (this.#live.has(objectKey(object.metadata))) throw new StoreError("AlreadyExists");
    const made: unknown = {
      apiVersion: "steward.dev/v1alpha1",
      kind: this.#kind,
      spec: {},
      status: { observedGeneration: -1 },
      ...object,
      metadata: {
        uid: randomUUID(),
        generation: 1,
        creationTimestamp: "2026-01-01T00:00:00Z",
        ...object.metadata,
        resourceVersion: String(this.#version++),
      },
    };
    this.put(made as T);
    return Promise.resolve(made as T);
  }

  async updateStatus(object: T, status: object): Promise<T> {
    this.calls += 1;
    const live = this.#sameAs(object);
    this.writes += 1;
    return this.#written({ ...live, metadata: this.#next(live), status: structuredClone(status) });
  }

  async updateSpec(object: T, spec: object): Promise<T> {
    this.calls += 1;
    const live = this.#sameAs(object);
    const metadata = { ...this.#next(live), generation: live.metadata.generation + 1 };
    return this.#written({ ...live, metadata, spec: structuredClone(spec) });
  }

  async delete(object: T): Promise<void> {
    this.calls += 1;
    this.remove(objectKey(this.#sameAs(object).metadata));
    return Promise.resolve();
  }

  /** What a user's apply does. */
  put(object: T): void {
    const key = objectKey(object.metadata);
    const stored = { ...object, metadata: this.#next(object) };
    this.#live.set(key, stored);
    if (!this.watching) return;
    this.#cached(stored);
    this.#onChange(stored, false);
  }

  /** What a user's delete does. */
  remove(key: string): void {
    const object = this.#live.get(key);
    this.#live.delete(key);
    if (!this.watching || object === undefined) return;
    this.#cache.delete(key);
    this.#onChange(object, true);
  }

  #sameAs({ metadata }: T): T {
    const live = this.#live.get(objectKey(metadata));
    if (live === undefined) throw new StoreError("NotFound");
    const { uid, resourceVersion } = metadata;
    if (live.metadata.uid !== uid || live.metadata.resourceVersion !== resourceVersion) {
      throw new StoreError("Conflict");
    }
    return live;
  }

  #written(object: T): Promise<T> {
    this.#live.set(objectKey(object.metadata), object);
    this.#cached(object);
    queueMicrotask(() => {
      if (this.watching) this.#onChange(object, false);
    });
    return Promise.resolve(object);
  }

  #cached(object: T): void {
    this.#cache.set(objectKey(object.metadata), object);
  }

  #next(object: T): T["metadata"] {
    return { ...object.metadata, resourceVersion: String(this.#version++) };
  }
}

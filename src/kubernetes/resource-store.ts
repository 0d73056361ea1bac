import type { KubernetesObject } from "../api/meta.ts";
import type { Reflector } from "./reflector.ts";
import type { NewObject, ResourceClient } from "./resource-client.ts";

/**
 * One resource with its cache: reads come from the cache, and what a write or a live read returned is in
 * the cache before the caller goes on, so that nobody reads behind their own writes.
 */
export class ResourceStore<T extends KubernetesObject> {
  readonly #reflector: Reflector<T>;
  readonly #client: ResourceClient<T>;

  constructor(reflector: Reflector<T>, client: ResourceClient<T>) {
    this.#reflector = reflector;
    this.#client = client;
  }

  /** By `namespace/name`. */
  get(key: string): T | undefined {
    return this.#reflector.get(key);
  }

  list(): Iterable<T> {
    return this.#reflector.list();
  }

  async getLive(namespace: string, name: string): Promise<T | undefined> {
    const object = await this.#client.get(namespace, name);
    if (object !== undefined) this.#reflector.observe(object);
    return object;
  }

  async create(object: NewObject<T>): Promise<T> {
    const created = await this.#client.create(object);
    this.#reflector.observe(created);
    return created;
  }

  async updateSpec(object: T, spec: unknown): Promise<T> {
    const updated = await this.#client.update({ ...object, spec });
    this.#reflector.observe(updated);
    return updated;
  }

  async updateStatus(object: T, status: unknown): Promise<T> {
    const updated = await this.#client.updateStatus(object, status);
    this.#reflector.observe(updated);
    return updated;
  }

  /** The cache has it until the watch tells of its end: until then it can be read, but not written. */
  async delete(object: T): Promise<void> {
    const remaining = await this.#client.delete(object);
    if (remaining !== undefined) this.#reflector.observe(remaining);
  }
}

import { objectKey, type KubernetesObject } from "../api/meta.ts";
import { isNewerVersion } from "./resource-version.ts";

export type ChangeType = "added" | "updated" | "deleted";

/** What became of one object. A deleted one is shown as it was last seen. */
export interface ObjectChange<T> {
  readonly type: ChangeType;
  readonly object: T;
}

/**
 * The last known state of every object of one resource, by `namespace/name`.
 *
 * INVARIANTS
 * - Whoever follows the returned changes knows every version in here, but for what `observe` put in and
 *   the watch or the next list has yet to tell: each of these is told then.
 * - An object that was deleted and created again is always told as deleted, then added.
 * - What `observe` put in is never replaced by an older version of itself.
 */
export class ObjectCache<T extends KubernetesObject> {
  #objects = new Map<string, T>();
  /** Up to where the events of the server are in here; undefined before the first list. */
  #resourceVersion: string | undefined;
  /** Where `observe` ran ahead of what was told: what was told, undefined where nothing was. */
  readonly #told = new Map<string, T | undefined>();
  #observedWhileListing: Set<string> | undefined;

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  /** A live ADDED or MODIFIED. */
  upsert(object: T): ObjectChange<T>[] {
    const key = objectKey(object.metadata);
    const known = this.#objects.get(key);
    const told = this.#catchUp(key);
    const next = known !== undefined && isNewer(known, object) ? known : object;
    this.#objects.set(key, next);
    this.#resourceVersion = object.metadata.resourceVersion;
    return changesBetween(told, next);
  }

  /** A live DELETED, with the last state of the object and the resourceVersion of its deletion. */
  remove(object: T): ObjectChange<T>[] {
    const key = objectKey(object.metadata);
    const known = this.#objects.get(key);
    const isOfEarlier = known !== undefined && known.metadata.uid !== object.metadata.uid;
    if (isOfEarlier && isNewer(known, object)) {
      // Its successor was taken in already, and told in its place.
      this.#resourceVersion = object.metadata.resourceVersion;
      return [];
    }
    const told = this.#catchUp(key);
    this.#objects.delete(key);
    this.#resourceVersion = object.metadata.resourceVersion;
    return told === undefined ? [] : [{ type: "deleted", object }];
  }

  /** A bookmark: everything up to `resourceVersion` has been told. */
  advance(resourceVersion: string): void {
    this.#resourceVersion = resourceVersion;
  }

  /**
   * Takes in what a write or a quorum read returned, so that it is read from here before the watch tells
   * it. Ignored where the cache has the same or something newer, and where it has nothing although it
   * is past that version: then the object was deleted meanwhile.
   */
  observe(object: T): void {
    const { uid, resourceVersion } = object.metadata;
    if (this.#resourceVersion === undefined) return;
    const key = objectKey(object.metadata);
    const known = this.#objects.get(key);
    if (known === undefined) {
      if (!isNewerVersion(resourceVersion, this.#resourceVersion)) return;
    } else if (known.metadata.uid !== uid || !isNewer(object, known)) {
      return;
    }
    if (!this.#told.has(key)) this.#told.set(key, known);
    this.#objects.set(key, object);
    this.#observedWhileListing?.add(key);
  }

  /** Must precede the request whose answer goes to `replace`. */
  beginList(): void {
    this.#observedWhileListing = new Set();
  }

  /**
   * Makes the cache equal to a complete list and returns what that changes. The list is believed even
   * where it is older (the server may have been restored), but for what was observed since `beginList`.
   */
  replace(listed: Map<string, T>, resourceVersion: string): ObjectChange<T>[] {
    const created = this.#takeOverObserved(listed, resourceVersion);
    const newest = this.#objects;
    const changes = [...differences(overlay(newest, this.#told), listed)].map((change) =>
      change.type === "deleted" ? { ...change, object: newestOf(change.object, newest) } : change,
    );
    this.#told.clear();
    for (const object of created) {
      const key = objectKey(object.metadata);
      listed.set(key, object);
      this.#told.set(key, undefined);
    }
    this.#objects = listed;
    this.#resourceVersion = resourceVersion;
    this.#observedWhileListing = undefined;
    return changes;
  }

  /** What was told of the key so far; from now on it counts as told. */
  #catchUp(key: string): T | undefined {
    const told = this.#told.has(key) ? this.#told.get(key) : this.#objects.get(key);
    this.#told.delete(key);
    return told;
  }

  /** Puts newer versions of listed objects into the list; returns what was created after it. */
  #takeOverObserved(listed: Map<string, T>, resourceVersion: string): T[] {
    const created: T[] = [];
    for (const key of this.#observedWhileListing ?? []) {
      const observed = this.#objects.get(key);
      if (observed === undefined) continue;
      const inList = listed.get(key);
      if (inList !== undefined && isNewer(observed, inList)) listed.set(key, observed);
      if (inList !== undefined) continue;
      if (isNewerVersion(observed.metadata.resourceVersion, resourceVersion))
        created.push(observed);
    }
    return created;
  }
}

/** A deleted object as it was last seen, also where that was not told. */
function newestOf<T extends KubernetesObject>(object: T, newest: ReadonlyMap<string, T>): T {
  const known = newest.get(objectKey(object.metadata));
  return known?.metadata.uid === object.metadata.uid ? known : object;
}

function isNewer(left: KubernetesObject, right: KubernetesObject): boolean {
  return isNewerVersion(left.metadata.resourceVersion, right.metadata.resourceVersion);
}

/** `base` with the entries of `over` in their place; undefined ones are left out. */
function overlay<T>(
  base: ReadonlyMap<string, T>,
  over: ReadonlyMap<string, T | undefined>,
): ReadonlyMap<string, T> {
  if (over.size === 0) return base;
  const result = new Map(base);
  for (const [key, value] of over) {
    if (value === undefined) result.delete(key);
    else result.set(key, value);
  }
  return result;
}

function* differences<T extends KubernetesObject>(
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
): Generator<ObjectChange<T>, void, undefined> {
  for (const [key, object] of before) {
    if (!after.has(key)) yield { type: "deleted", object };
  }
  for (const [key, object] of after) {
    const known = before.get(key);
    if (known?.metadata.resourceVersion === object.metadata.resourceVersion) continue;
    yield* changesBetween(known, object);
  }
}

function changesBetween<T extends KubernetesObject>(
  known: T | undefined,
  next: T,
): ObjectChange<T>[] {
  if (known === undefined) return [{ type: "added", object: next }];
  if (known.metadata.uid === next.metadata.uid) return [{ type: "updated", object: next }];
  return [
    { type: "deleted", object: known },
    { type: "added", object: next },
  ];
}

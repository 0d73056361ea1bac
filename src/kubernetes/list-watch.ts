import { objectKey, type KubernetesObject } from "../api/meta.ts";
import type { Random } from "../runtime/random.ts";
import { isJsonObject, objectAt, stringAt } from "./json-values.ts";
import type { ObjectCache, ObjectChange } from "./object-cache.ts";
import { resourcePath, type Query, type ResourceType } from "./resource-path.ts";
import { TransportError } from "./transport-error.ts";
import type { Transport } from "./transport.ts";
import { toTypedObject } from "./typed-object.ts";
import type { WatchEvent } from "./watch-event.ts";
import type { Attempt, Ending } from "./watch-plan.ts";

export interface ListWatchOptions<T extends KubernetesObject> {
  readonly transport: Pick<Transport, "request" | "watch">;
  readonly resource: ResourceType;
  readonly namespace?: string;
  readonly random: Random;
  readonly idleMs: number;
  readonly cache: ObjectCache<T>;
  readonly onChanges: (changes: readonly ObjectChange<T>[]) => void;
  /** After a complete list is in the cache and its changes have been told. */
  readonly onListed: () => void;
}

/** Kept up to date while an attempt runs, so that it is known also when the attempt throws. */
export interface Progress {
  received: number;
  /** From where a watch can go on; stays undefined until a list is complete. */
  resourceVersion: string | undefined;
}

const PAGE_SIZE = 500;
/** The server ends a watch after 300 to 600 s: jitter keeps the watches of many clients apart. */
const WATCH_SECONDS = 300;
/** Marks the bookmark after which a streaming list is complete (KEP-3157). */
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

/** Carries out single attempts at listing and watching, and feeds the cache. It decides nothing. */
export class ListWatch<T extends KubernetesObject> {
  readonly #options: ListWatchOptions<T>;
  readonly #path: string;

  constructor(options: ListWatchOptions<T>) {
    this.#options = options;
    this.#path = resourcePath(options.resource, options.namespace);
  }

  /** Returns how it ended in peace; throws what `Transport` throws. */
  async attempt(attempt: Attempt, progress: Progress, signal: AbortSignal): Promise<Ending> {
    switch (attempt.kind) {
      case "streamList":
        return this.#streamList(progress, signal);
      case "pagedList":
        return this.#pagedList(progress, signal);
      case "watch":
        return this.#watch({ resourceVersion: attempt.resourceVersion }, progress, signal);
      default:
        return attempt satisfies never;
    }
  }

  /**
   * No resourceVersion is asked for: the list is then as fresh as the request (a quorum read). Its events
   * are held back until the bookmark that ends it.
   */
  async #streamList(progress: Progress, signal: AbortSignal): Promise<Ending> {
    this.#options.cache.beginList();
    return this.#watch(
      { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" },
      progress,
      signal,
    );
  }

  async #watch(query: Query, progress: Progress, signal: AbortSignal): Promise<Ending> {
    const { transport, random, idleMs } = this.#options;
    const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + random()));
    const events = transport.watch({
      path: this.#path,
      query: { ...query, allowWatchBookmarks: true, timeoutSeconds },
      signal,
      idleMs,
    });
    const listed = new Map<string, T>();
    for await (const event of events) {
      progress.received += 1;
      if (progress.resourceVersion !== undefined) {
        this.#applyLive(event);
        progress.resourceVersion = event.resourceVersion;
      } else if (isEndOfList(event)) {
        this.#replace(listed, event.resourceVersion);
        progress.resourceVersion = event.resourceVersion;
      } else {
        this.#collect(listed, event);
      }
    }
    return { kind: "closed" };
  }

  async #pagedList(progress: Progress, signal: AbortSignal): Promise<Ending> {
    const { transport, cache, resource } = this.#options;
    cache.beginList();
    const listed = new Map<string, T>();
    let next: string | undefined;
    let resourceVersion: string;
    do {
      const query: Query = { limit: PAGE_SIZE, continue: next };
      const { body } = await transport.request({ method: "GET", path: this.#path, query, signal });
      const page = listOf(body, this.#path);
      for (const item of page.items) {
        const object = toTypedObject<T>(resource, item);
        listed.set(objectKey(object.metadata), object);
      }
      next = page.next;
      resourceVersion = page.resourceVersion;
    } while (next !== undefined);
    this.#replace(listed, resourceVersion);
    progress.resourceVersion = resourceVersion;
    return { kind: "listed" };
  }

  #replace(listed: Map<string, T>, resourceVersion: string): void {
    const { cache, onChanges, onListed } = this.#options;
    onChanges(cache.replace(listed, resourceVersion));
    onListed();
  }

  #applyLive(event: WatchEvent): void {
    const { cache, resource, onChanges } = this.#options;
    if (event.type === "BOOKMARK") {
      cache.advance(event.resourceVersion);
      return;
    }
    const object = toTypedObject<T>(resource, event.object);
    onChanges(event.type === "DELETED" ? cache.remove(object) : cache.upsert(object));
  }

  #collect(listed: Map<string, T>, event: WatchEvent): void {
    if (event.type === "BOOKMARK") return;
    const object = toTypedObject<T>(this.#options.resource, event.object);
    const key = objectKey(object.metadata);
    if (event.type === "DELETED") listed.delete(key);
    else listed.set(key, object);
  }
}

function isEndOfList(event: WatchEvent): boolean {
  if (event.type !== "BOOKMARK") return false;
  const annotations = objectAt(objectAt(event.object, "metadata"), "annotations");
  return stringAt(annotations, INITIAL_EVENTS_END) === "true";
}

interface Page {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  /** The token of the next page, where there is one. */
  readonly next: string | undefined;
}

/** Strict, because a thing taken for an empty list would delete everything. */
function listOf(body: unknown, path: string): Page {
  const page = isJsonObject(body) ? body : {};
  const metadata = objectAt(page, "metadata");
  const resourceVersion = stringAt(metadata, "resourceVersion");
  const items = page["items"];
  const isList = stringAt(page, "kind")?.endsWith("List") ?? false;
  if (!isList || !Array.isArray(items) || resourceVersion === undefined) {
    throw new TransportError(`list ${path}: the answer is no list`);
  }
  const next = stringAt(metadata, "continue");
  return { items, resourceVersion, next: next === "" ? undefined : next };
}

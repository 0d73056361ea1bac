import type { KubernetesObject } from "../api/meta.ts";
import type { WorkQueueRecorder } from "../runtime/workqueue.ts";
import type { EdgeNode, EdgeNodeSpec } from "../api/v1alpha1/edgenode.ts";
import type { IdentityRecorder } from "./identity/ports.ts";

/** What the controller needs of one kind: the cache that a watch keeps, and the API server behind it. */
export interface ResourceStore<T extends KubernetesObject> {
  /** From the cache; may be behind the API server, but never behind our own writes. */
  get(key: string): T | undefined;
  list(): Iterable<T>;
  /** A quorum read, which the cache then knows; undefined on a 404 for the object itself. */
  getLive(namespace: string, name: string): Promise<T | undefined>;
  /**
   * Writes the status if the object still is as it was read; the cache then knows what was written.
   * Fails with what `isConflict` or `isNotFound` tell apart.
   */
  updateStatus(object: T, status: object): Promise<T>;
  /**
   * Deletes the object if it still is as it was read (uid and resourceVersion). Fails with what
   * `isConflict` or `isNotFound` tell apart. The cache has it until the watch tells that it is gone; until
   * then another write of it fails with `isNotFound`.
   */
  delete(object: T): Promise<void>;
}

/** A node that says hello may be registered by it, and one that enrolls names its key. */
export interface NodeStore extends ResourceStore<EdgeNode> {
  create(object: {
    readonly metadata: { readonly namespace: string; readonly name: string };
    readonly spec: EdgeNodeSpec;
  }): Promise<EdgeNode>;
  /** As `updateStatus`, of the spec. */
  updateSpec(object: EdgeNode, spec: EdgeNodeSpec): Promise<EdgeNode>;
}

export type ValueKind = "Secret" | "ConfigMap";

/** The values of an object by their keys, as bytes. "forbidden": the controller may not read it. */
export type ObjectRead = ReadonlyMap<string, Uint8Array> | "notFound" | "forbidden";

/** Quorum reads of single Secrets and ConfigMaps, of which nothing is kept. */
export interface ValueReader {
  /** Throws if the API server does not say. */
  read(object: {
    readonly kind: ValueKind;
    readonly namespace: string;
    readonly name: string;
  }): Promise<ObjectRead>;
}

/** How the store's failures are told apart. */
export interface StoreErrors {
  isConflict(thrown: unknown): boolean;
  isNotFound(thrown: unknown): boolean;
  isAlreadyExists(thrown: unknown): boolean;
}

/** What came of one pass over one resource. */
export type ReconcileResult = "success" | "error" | "requeue_after";

/** What the controller tells of its work, for metrics. Never throws. Durations are in milliseconds. */
export interface ControllerRecorder {
  workQueue(name: string): WorkQueueRecorder;
  reconciler(
    name: string,
    maxConcurrent: number,
  ): {
    /** To be called when a pass begins; what it returns, when it has ended. */
    started(): (result: ReconcileResult) => void;
  };
  readonly commands: CommandRecorder;
  readonly identity: IdentityRecorder;
}

export interface CommandRecorder {
  /** A node answered an offer, after so long. */
  acknowledged(ms: number): void;
  /** A command was sent again. */
  resent(): void;
  /** An outcome is in etcd, so long after the run was requested. */
  recorded(ms: number): void;
  /** A malformed message came on this subject. */
  rejected(subject: string): void;
}

export interface EventClaim {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

/** Tells people of something, as a Kubernetes Event on an object. Never throws, never waits. */
export interface EventRecorder {
  record(regarding: KubernetesObject, event: EventClaim): void;
}

import { isDeepStrictEqual } from "node:util";
import type { EdgeNode, EdgeNodeStatus } from "../../api/v1alpha1/edgenode.ts";
import type { Condition } from "../../api/conditions.ts";
import { timestampOf, type Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { EventRecorder, ResourceStore, StoreErrors } from "../ports.ts";
import type { NodeDirectory } from "./directory.ts";
import { identityOf } from "./identity-status.ts";
import type { NodeRegistry } from "./registry.ts";
import { nodeStatusOf } from "./status.ts";

export interface EdgeNodeReconcilerOptions {
  readonly nodes: ResourceStore<EdgeNode>;
  readonly errors: StoreErrors;
  readonly directory: NodeDirectory;
  readonly registry: NodeRegistry;
  readonly isInsecure: () => boolean;
  /** Whether nothing that was issued for a key is of any use to anybody. */
  readonly isVoid: (publicKey: string) => boolean;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly logger: Logger;
  readonly requeue: (key: string, afterMs?: number) => void;
  /** Whether a node can be sent to has changed: its open commands are due. */
  readonly onViewChange: (key: string) => void;
}

/**
 * Writes what hellos tell of a node into its EdgeNode, when it comes, goes or changes. While there is no
 * connection to the broker nothing is written: what is not heard then is not the nodes' silence.
 */
export class EdgeNodeReconciler {
  readonly #options: EdgeNodeReconcilerOptions;
  /** The view that the commands of a node were last woken for. */
  readonly #views = new Map<string, string>();

  constructor(options: EdgeNodeReconcilerOptions) {
    this.#options = options;
  }

  /** Resolves to whether the key is due again at a certain time. */
  async reconcile(key: string): Promise<boolean> {
    const { nodes, directory, registry, clock, requeue } = this.#options;
    const node = nodes.get(key);
    if (node !== undefined && !registry.isDeaf) await this.#writeStatus(key, node);
    const view = directory.view(key, clock.monotonic());
    this.#tellOfChange(key, JSON.stringify(view));
    if (node === undefined) this.#views.delete(key);
    if (node === undefined || (view.kind !== "present" && view.kind !== "arriving")) return false;
    // Everything is looked at again when there is a connection again.
    if (registry.isDeaf) return false;
    const { name } = node.metadata;
    const now = clock.monotonic();
    const degradedFor = registry.recentError(name, now)?.remainingMs ?? Infinity;
    requeue(key, Math.max(1, Math.ceil(Math.min(registry.remainingMs(name, now), degradedFor))));
    return true;
  }

  async #writeStatus(key: string, node: EdgeNode): Promise<void> {
    const { nodes, errors, requeue } = this.#options;
    const status = this.#statusOf(key, node);
    if (isDeepStrictEqual(status, node.status)) return;
    try {
      await nodes.updateStatus(node, status);
      this.#announce(node, status);
    } catch (thrown) {
      if (!errors.isConflict(thrown) && !errors.isNotFound(thrown)) throw thrown;
      const live = await nodes.getLive(node.metadata.namespace, node.metadata.name);
      if (live === undefined) return;
      if (live.metadata.resourceVersion === node.metadata.resourceVersion) throw thrown;
      // The cache cannot have it yet: with back-off, or when the watch brings it.
      if (nodes.get(key)?.metadata.resourceVersion !== live.metadata.resourceVersion) throw thrown;
      requeue(key);
    }
  }

  #statusOf(key: string, node: EdgeNode): EdgeNodeStatus {
    const { directory, registry, isInsecure, isVoid, clock } = this.#options;
    const { name, namespace } = node.metadata;
    const monotonic = clock.monotonic();
    const heard = registry.get(name);
    const entry = heard?.namespace === namespace ? heard : undefined;
    const error = entry && registry.recentError(name, monotonic)?.text;
    const view = directory.view(key, monotonic);
    const known = {
      view,
      entry,
      error,
      rollback: directory.rollback(node),
      isInsecure: isInsecure(),
      identity: identityOf(node, entry, isVoid),
    };
    return nodeStatusOf(node, known, timestampOf(clock.now()));
  }

  #announce(node: EdgeNode, status: EdgeNodeStatus): void {
    const before = readiness(node.status);
    const after = readiness(status);
    if (after === undefined) return;
    if (after.status === before?.status && after.reason === before.reason) return;
    const { status: ready, reason, message } = after;
    const type = ready === "True" ? "Normal" : "Warning";
    this.#options.events.record(node, { type, reason, action: "Heartbeat", note: message });
    this.#options.logger.info({ node: node.metadata.name, ready, reason }, "node came or went");
  }

  #tellOfChange(key: string, view: string): void {
    if (this.#views.get(key) === view) return;
    this.#views.set(key, view);
    this.#options.onViewChange(key);
  }
}

function readiness(status: EdgeNodeStatus): Condition | undefined {
  return status.conditions?.find(({ type }) => type === "Ready");
}

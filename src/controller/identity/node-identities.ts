import { objectKey } from "../../api/meta.ts";
import type { EdgeNode } from "../../api/v1alpha1/edgenode.ts";
import type { Bus } from "../../protocol/bus.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Random } from "../../runtime/random.ts";
import type { NodeDirectory } from "../edgenode/directory.ts";
import { keyOf, type NodeSecurity } from "../node-security.ts";
import type { EventRecorder, NodeStore, StoreErrors } from "../ports.ts";
import type { Rejections } from "../rejections.ts";
import type { ControllerSecurity } from "../security.ts";
import { subscribeToEnrollments } from "./enroll-intake.ts";
import { Enroller } from "./enroller.ts";
import type { IdentityPorts, IdentityRecorder } from "./ports.ts";
import { unwantedOf } from "./revocations.ts";
import { Revoker } from "./revoker.ts";

export interface NodeIdentitiesOptions {
  /** Undefined: the broker lets in whoever it likes, and nobody is enrolled. */
  readonly identity?: IdentityPorts | undefined;
  readonly security: () => ControllerSecurity;
  readonly nodeSecurity: NodeSecurity;
  readonly nodes: NodeStore;
  readonly errors: StoreErrors;
  readonly directory: NodeDirectory;
  readonly rejections: Rejections;
  readonly namespace?: string | undefined;
  readonly mayAct: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventRecorder;
  readonly logger: Logger;
  readonly recorder?: IdentityRecorder | undefined;
  readonly requeueNode: (key: string) => void;
}

/** Who may be a node: gives credentials to those who may, and takes them from those who may not any more. */
export class NodeIdentities {
  readonly #options: NodeIdentitiesOptions;
  readonly #revoker: Revoker | undefined;

  constructor(options: NodeIdentitiesOptions) {
    this.#options = options;
    const { identity, nodes, directory, namespace } = options;
    if (identity === undefined) return;
    this.#revoker = new Revoker({
      ...options,
      ...identity,
      nodes: () => nodes.list(),
      keyOfNode: (name) => keyOf(directory.owner(name)),
      knowsAllNodes: namespace === undefined,
      onRevoked: () => {
        this.#lookAtReplacedKeys();
      },
    });
  }

  /** Most changes are a node's own doing, and no reason to ask the broker for all that are connected. */
  changed(node: EdgeNode): void {
    if (unwantedOf([node]).length > 0) this.#revoker?.changed();
  }

  deleted(node: EdgeNode): void {
    this.#revoker?.deleted(node);
  }

  /** Whether nobody can do anything any more with what was issued for a key. */
  isVoid(publicKey: string): boolean {
    return this.#revoker === undefined || this.#revoker.isRevoked(publicKey);
  }

  /** From here on nodes can enroll; returns the way to end that. */
  subscribe(bus: Bus, clusterID: string): () => void {
    const { identity, nodeSecurity, security } = this.#options;
    const revoker = this.#revoker;
    if (identity === undefined || revoker === undefined) return () => undefined;
    const enroller = new Enroller({
      ...this.#options,
      ...identity,
      revoker,
      clusterID,
      commandKeys: () => {
        const keys = security();
        if (keys === "insecure") throw new TypeError("nobody enrolls where nothing is signed");
        return keys;
      },
    });
    const options = { ...this.#options, enroller, security: nodeSecurity, clusterID };
    return subscribeToEnrollments(bus, options);
  }

  /** Ends with the signal; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#revoker?.run(signal);
  }

  #lookAtReplacedKeys(): void {
    const { nodes, requeueNode } = this.#options;
    for (const { metadata, spec, status } of nodes.list()) {
      const { identity } = status;
      if (identity !== undefined && identity.publicKey !== spec.publicKey) {
        requeueNode(objectKey(metadata));
      }
    }
  }
}

import { objectKey } from "../../api/meta.ts";
import type { EdgeNode } from "../../api/v1alpha1/edgenode.ts";
import type { ResourceStore } from "../ports.ts";
import type { NodeView } from "../edgecommand/observe.ts";
import { rollbackOf, type Rollback } from "./ledgers.ts";
import type { ControllerSecurity } from "../security.ts";
import type { NodeEntry, NodeRegistry } from "./registry.ts";

/**
 * Who owns a node name, and what may be said of a node. A name belongs to one EdgeNode of all namespaces,
 * the oldest: it is one token of the broker's subjects.
 */
export class NodeDirectory {
  readonly #nodes: ResourceStore<EdgeNode>;
  readonly #registry: NodeRegistry;
  readonly #security: () => ControllerSecurity;
  readonly #keysByName = new Map<string, Set<string>>();

  constructor(
    nodes: ResourceStore<EdgeNode>,
    registry: NodeRegistry,
    security: () => ControllerSecurity,
  ) {
    this.#nodes = nodes;
    this.#registry = registry;
    this.#security = security;
  }

  /** Keeps the index: to be told of every EdgeNode that appears, before anything asks for it. */
  observe({ metadata }: EdgeNode): void {
    const keys = this.#keysByName.get(metadata.name) ?? new Set<string>();
    this.#keysByName.set(metadata.name, keys.add(objectKey(metadata)));
  }

  /** Forgets one; returns the keys of those that have the same name, one of which owns it now. */
  forget({ metadata }: EdgeNode): readonly string[] {
    const keys = this.#keysByName.get(metadata.name) ?? new Set<string>();
    keys.delete(objectKey(metadata));
    if (keys.size === 0) this.#keysByName.delete(metadata.name);
    return [...keys];
  }

  owner(name: string): EdgeNode | undefined {
    const nodes = [...(this.#keysByName.get(name) ?? [])]
      .map((key) => this.#nodes.get(key))
      .filter((node) => node !== undefined);
    return nodes.toSorted((a, b) => (seniority(a) < seniority(b) ? -1 : 1))[0];
  }

  view(key: string, monotonic: number): NodeView {
    const node = this.#nodes.get(key);
    if (node === undefined) return { kind: "notFound" };
    const { name } = node.metadata;
    if (this.owner(name)?.metadata.uid !== node.metadata.uid) {
      return { kind: "barred", reason: "NameConflict", message: conflictMessage(name) };
    }
    return this.#identityObstacle(node) ?? this.#presenceOf(node, monotonic);
  }

  /** Nobody may speak as this node now, however much is heard. */
  #identityObstacle({ metadata: { name, namespace }, spec }: EdgeNode): NodeView | undefined {
    if (spec.disabled) {
      const message = `Node "${name}" is disabled: nothing is sent to it and nothing is heard of it.`;
      return { kind: "barred", reason: "Disabled", message };
    }
    if (this.#security() !== "insecure" && spec.publicKey === undefined) {
      return { kind: "away", message: notEnrolledMessage({ namespace, name }) };
    }
    if (!this.#registry.isInConflict(name)) return undefined;
    return { kind: "barred", reason: "IdentityConflict", message: twinsMessage(name) };
  }

  #presenceOf(node: EdgeNode, monotonic: number): NodeView {
    const { name, namespace } = node.metadata;
    if (this.rollback(node) !== undefined) {
      const message = `The ledger of node "${name}" is an earlier copy of itself: nothing is sent to it.`;
      return { kind: "away", message };
    }
    const entry = this.#registry.get(name);
    const isHeard =
      entry?.namespace === namespace &&
      this.#isOfItsKey(node, entry) &&
      this.#registry.remainingMs(name, monotonic) > 0;
    // One text, whoever says it and for whichever reason: a new controller must not rewrite every status.
    if (!isHeard) return { kind: "away", message: `Nothing is heard of node "${name}".` };
    return presence(node, entry);
  }

  /** What was heard of who had another key before says nothing of who has this one. */
  #isOfItsKey({ spec, status }: EdgeNode, entry: NodeEntry): boolean {
    if (this.#security() === "insecure") return true;
    const heardFrom = entry.hello === undefined ? status.identity?.publicKey : entry.publicKey;
    return heardFrom === spec.publicKey;
  }

  /** Whether the node's ledger has forgotten runs, as far as is known of it. */
  rollback({ metadata, status }: EdgeNode): Rollback | undefined {
    const entry = this.#registry.get(metadata.name);
    return entry?.namespace === metadata.namespace ? rollbackOf(entry, status) : undefined;
  }
}

/** Its EdgeNode must name its session and its ledger before anything is sent to it. */
function presence(
  { spec: { publicKey }, status: { session, ledgerID, identity, ...ledger } }: EdgeNode,
  entry: NodeEntry,
): NodeView {
  const { ledgerSince, previousLedgerID } = ledger;
  if (session?.id !== entry.sessionID || ledgerID !== entry.ledgerID) return { kind: "arriving" };
  const recorded = identity?.publicKey === publicKey ? identity?.sealingKey : undefined;
  const sealingKey = entry.hello?.sealingKey ?? recorded;
  const present = {
    kind: "present",
    sessionID: entry.sessionID,
    ...(sealingKey === undefined ? {} : { sealingKey }),
  } as const;
  if (ledgerSince === undefined) return present;
  const isFirstLedger = previousLedgerID === undefined;
  return { ...present, ...(isFirstLedger ? { firstLedgerSince: ledgerSince } : { ledgerSince }) };
}

/** The other namespace is not named: a tenant is not told of another. */
export function conflictMessage(name: string): string {
  return `The name "${name}" belongs to an older EdgeNode of another namespace: names are unique on a broker. Give this node another name.`;
}

/** How a node without a key comes to one. */
export function notEnrolledMessage(node: {
  readonly namespace: string;
  readonly name: string;
}): string {
  return `Node "${node.name}" is not enrolled: run steward enroll ${node.name} -n ${node.namespace}, and on the node what that prints.`;
}

export function twinsMessage(name: string): string {
  return (
    `Two agents speak as node "${name}", with the same key: a machine was copied, or its data directory. Stop ` +
    "one of them and give it an identity of its own; nothing is sent until only one is heard."
  );
}

function seniority({ metadata }: EdgeNode): string {
  return `${metadata.creationTimestamp} ${metadata.uid}`;
}

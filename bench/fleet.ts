import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../dev/controlplane/waiting.ts";
import { isReady } from "./api.ts";
import type { Child } from "./child.ts";
import { keyOf, keysOfNodes } from "./security.ts";
import { startAgentHost, type Stage } from "./stage.ts";
import { times } from "./times.ts";

const NODES_PATIENCE_MS = 60_000;

export interface Fleet {
  readonly nodes: readonly string[];
  /** Where its journals are. */
  readonly dir: string;
  /** All agents are in this one process. */
  readonly host: Child;
}

export interface FleetSpec {
  /** Of its nodes: `<name>-<number>`. */
  readonly name: string;
  readonly namespace: string;
  readonly nodes: number;
  /** So many nodes are in the namespace before. */
  readonly others: number;
  /** Where the journals are: a new place, or one that an earlier fleet has left. */
  readonly journals: "disk" | "memory" | { readonly dir: string };
  /** Whether its process answers the questions of `agent-host-config.ts`; not unless told. */
  readonly probe?: boolean;
}

/** Starts agents and waits until the controller has all of them in etcd as ready. */
export async function startFleet(stage: Stage, spec: FleetSpec): Promise<Fleet> {
  const { api, signal } = stage;
  const { name, namespace, journals } = spec;
  const nodes = Array.from({ length: spec.nodes }, (_, index) => `${name}-${100 + index}`);
  const dir = typeof journals === "string" ? await stage.directory(journals) : journals.dir;
  const { keys, made } = await keysOfNodes(dir, nodes);
  if (made) {
    await times(stage, nodes.length, async (index) => {
      const node = nodes[index] ?? "";
      const { publicKey } = keyOf(node, keys);
      await api.createNode(namespace, node, { publicKey });
    });
  }
  const host = await startAgentHost(stage, name, {
    namespace,
    nodes,
    dir,
    probe: spec.probe ?? false,
  });
  const patience = AbortSignal.any([signal, AbortSignal.timeout(NODES_PATIENCE_MS)]);
  await until(async () => {
    await sleep(100);
    const statuses = (await api.statuses(namespace, "edgenodes")) ?? [];
    return statuses.filter(isReady).length >= nodes.length + spec.others;
  }, patience);
  return { nodes, dir, host };
}

import { setTimeout as sleep } from "node:timers/promises";

import { until } from "../dev/controlplane/waiting.ts";
import { isReady } from "./api.ts";
import type { Child } from "./child.ts";
import { startAgentHost, type Stage } from "./stage.ts";

const NODES_PATIENCE_MS = 60_000;

export interface Fleet {
  readonly nodes: readonly string[];
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
  /** Where the journals are. */
  readonly journals: "disk" | "memory";
}

/** Starts agents and waits until the controller has all of them in etcd as ready. */
export async function startFleet(stage: Stage, spec: FleetSpec): Promise<Fleet> {
  const { api, signal } = stage;
  const { name, namespace, journals } = spec;
  const nodes = Array.from({ length: spec.nodes }, (_, index) => `${name}-${100 + index}`);
  const dir = await stage.directory(journals);
  const host = await startAgentHost(stage, name, { namespace, nodes, dir, probe: false });
  const patience = AbortSignal.any([signal, AbortSignal.timeout(NODES_PATIENCE_MS)]);
  await until(async () => {
    await sleep(100);
    const statuses = (await api.statuses(namespace, "edgenodes")) ?? [];
    return statuses.filter(isReady).length >= nodes.length + spec.others;
  }, patience);
  return { nodes, host };
}

import { existsSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { startNatsServer, type NatsServer } from "../dev/controlplane/control-plane.ts";
import type { Guardian } from "../dev/controlplane/guard.ts";
import { until } from "../dev/controlplane/waiting.ts";
import { systemClock as clock } from "../src/runtime/clock.ts";
import { Child } from "./child.ts";
import type { Pinning } from "./pinning.ts";
import { exactCpuMs, machineBusyMs } from "./process-usage.ts";
import { milestonePath, type Milestone, type ReconnectConfig } from "./reconnect-config.ts";

export interface ReconnectScene {
  readonly guardian: Guardian;
  readonly pinning: Pinning;
  readonly stop: AbortController;
  readonly progress: (line: string) => void;
  readonly nodes: number;
}

/** `secured`: TLS, and every node shows its JWT; `plain`: neither. */
export const BROKERS = ["secured", "plain"] as const;
export type BrokerKind = (typeof BROKERS)[number];

/** Of one outage. */
export interface ReconnectFigures {
  /** From the broker's death until all nodes were connected again and had had an answer. */
  readonly returnMs: number;
  /** From the broker's death until the next one listened; part of that. */
  readonly brokerAwayMs: number;
  /** From when the next one listened. */
  readonly brokerCpuMsPerNode: number;
  /** From the broker's death. */
  readonly clientCpuMsPerNode: number;
  /** Of all cores, what others used meanwhile. */
  readonly foreignShare: number;
}

const PATIENCE_MS = 180_000;
/** Whoever has just been started or connected is not quite done. */
const SETTLE_MS = 1_000;

/**
 * Kills a broker with all its nodes connected, and starts it again. Their delays are random; rounds of the same
 * number have the same ones.
 */
export async function measureReconnect(
  scene: ReconnectScene,
  kind: BrokerKind,
  round: number,
): Promise<ReconnectFigures> {
  const { guardian, pinning, stop, progress, nodes } = scene;
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const onUnexpectedExit = (error: Error): void => stop.abort(error);
  const insecureNats = kind === "plain";
  await using broker = await startNatsServer({ signal, progress, insecureNats, onUnexpectedExit });
  await pinning.server(broker.component.pid);
  const dir = await mkdtemp(join(guardian.dir, "reconnect-"));
  const { url: natsUrl, keysDir } = broker;
  const access = keysDir === undefined ? { natsUrl } : { natsUrl, keysDir };
  const config: ReconnectConfig = { ...access, count: nodes, seed: round, dir };
  const host = await Child.start(guardian, {
    name: "reconnect-host",
    program: "bench/reconnect-host.ts",
    args: [JSON.stringify(config)],
    profile: undefined,
    onUnexpectedExit,
  });
  await pinning.others(host.pid);
  await reached(dir, "opened", signal);
  await sleep(SETTLE_MS);
  const figures = await outage({ broker, host, dir, signal, scene });
  await host.stop();
  return figures;
}

interface Outage {
  readonly broker: NatsServer;
  readonly host: Child;
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly scene: ReconnectScene;
}

async function outage({ broker, host, dir, signal, scene }: Outage): Promise<ReconnectFigures> {
  const { component } = broker;
  const busyBefore = await machineBusyMs();
  const ownBefore = process.cpuUsage();
  const clientBefore = await exactCpuMs(host.pid);
  const diedAt = clock.monotonic();
  await component.restart();
  const listenedAt = clock.monotonic();
  const brokerBefore = await exactCpuMs(component.pid);
  await scene.pinning.server(component.pid);
  const returnedAt = await reached(dir, "returned", signal);
  const brokerAfter = await exactCpuMs(component.pid);
  const client = (await exactCpuMs(host.pid)) - clientBefore;
  const { user, system } = process.cpuUsage(ownBefore);
  const busy = (await machineBusyMs()) - busyBefore;
  const foreign = busy - brokerAfter - client - (user + system) / 1_000;
  return {
    returnMs: returnedAt - diedAt,
    brokerAwayMs: listenedAt - diedAt,
    brokerCpuMsPerNode: (brokerAfter - brokerBefore) / scene.nodes,
    clientCpuMsPerNode: client / scene.nodes,
    foreignShare: Math.max(0, foreign) / ((clock.monotonic() - diedAt) * cpus().length),
  };
}

/** When it was, on the monotonic clock. */
async function reached(dir: string, milestone: Milestone, signal: AbortSignal): Promise<number> {
  const path = milestonePath(dir, milestone);
  await until(async () => existsSync(path), signal);
  return Number(await readFile(path, "utf8"));
}

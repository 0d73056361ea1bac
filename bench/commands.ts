import { existsSync } from "node:fs";

import type { CommandStatus } from "./api.ts";
import { startFleet, type Fleet, type FleetSpec } from "./fleet.ts";
import { closedLoop } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { startPair } from "./pair.ts";
import { peakResidentBytes, residentBytes } from "./process-usage.ts";
import { interleave, measure, type Rounds, type Side } from "./side.ts";
import type { Stage } from "./stage.ts";
import { Tracker } from "./tracker.ts";

const WARM_UP_SECONDS = 3;
/** As long as the names of real ones. */
const PAIR_NODES = ["pair-100"];

/** The rounds of the bare pair, of the fleet, and of a fleet whose journals are in memory. */
export interface CommandFigures {
  readonly pair: Rounds;
  readonly fleet: Rounds;
  /** Absent where there is no file system in memory. */
  readonly inMemory?: Rounds;
  /** Of processes, in bytes, when all rounds are over. */
  readonly resident: Readonly<Record<string, number>>;
  /** How many commands and nodes the controller has by then. */
  readonly objects: number;
  readonly nodes: number;
}

export interface Served {
  /** The one namespace that the controller serves. */
  readonly namespace: string;
  readonly controllerPid: number;
}

/** (a) and (b): commands through the API server alone, and through Steward. */
export async function measureCommands(
  stage: Stage,
  served: Served,
  options: BenchOptions,
): Promise<CommandFigures> {
  const { namespace, controllerPid } = served;
  const { fleet, inMemory } = await startFleets(stage, namespace, options.nodes);
  const tracker = new Tracker({ ...stage, namespace });
  await tracker.start();
  await tracker.command(fleet.nodes);
  const pairTracker = await startPair(stage, await exampleStatus(stage, namespace));

  const common = processes(stage, served);
  const pair = newSide("pair", { tracker: pairTracker, nodes: PAIR_NODES, pids: common });
  const ofFleet = (name: string, { nodes, host }: Fleet): Side =>
    newSide(name, { tracker, nodes, pids: { ...common, agents: host.pid } });
  const sides = {
    pair,
    fleet: ofFleet("fleet", fleet),
    ...(inMemory === undefined ? {} : { inMemory: ofFleet("fleet in memory", inMemory) }),
  };
  await rounds(stage, Object.values(sides), options);
  const resident = await residentSizes(sides.fleet.pids, controllerPid);
  tracker.stop();
  pairTracker.stop();
  await Promise.all([fleet.host.stop(), inMemory?.host.stop()]);
  const nodes = fleet.nodes.length + (inMemory?.nodes.length ?? 0);
  return { ...sides, resident, objects: tracker.created, nodes };
}

async function rounds(
  stage: Stage,
  sides: readonly Side[],
  { seconds, concurrency, rate, rounds: count }: BenchOptions,
): Promise<void> {
  const ms = Math.min(seconds, WARM_UP_SECONDS) * 1000;
  stage.progress("warming up");
  for (const side of sides) {
    await measure(side, (command) => closedLoop(command, { concurrency, ms }));
  }
  await interleave(sides, { ...stage, rounds: count, seconds, concurrency, rate });
}

function newSide(name: string, parts: Pick<Side, "tracker" | "nodes" | "pids">): Side {
  return { name, ...parts, full: [], steady: [] };
}

async function startFleets(
  stage: Stage,
  namespace: string,
  nodes: number,
): Promise<{ readonly fleet: Fleet; readonly inMemory?: Fleet }> {
  const spec = { namespace, nodes };
  const fleet = await startFleet(stage, { ...spec, name: "disk", journals: "disk", others: 0 });
  if (!existsSync("/dev/shm")) return { fleet };
  const memory: FleetSpec = { ...spec, name: "shm", journals: "memory", others: nodes };
  return { fleet, inMemory: await startFleet(stage, memory) };
}

function processes({ plane }: Stage, { controllerPid }: Served): Record<string, number> {
  const { components } = plane;
  return {
    kubeApiserver: components["kube-apiserver"].pid,
    etcd: components.etcd.pid,
    loadGenerator: process.pid,
    natsServer: components["nats-server"].pid,
    controller: controllerPid,
  };
}

/** The status of a command that was really done: what the bare pair writes is of the same size. */
async function exampleStatus({ api }: Stage, namespace: string): Promise<CommandStatus> {
  const [status] = (await api.statuses(namespace, "edgecommands")) ?? [];
  if (status === undefined) throw new Error("the first command is gone");
  return status;
}

async function residentSizes(
  pids: Readonly<Record<string, number>>,
  controllerPid: number,
): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const [name, pid] of Object.entries(pids)) sizes[name] = await residentBytes(pid);
  return { ...sizes, controllerPeak: await peakResidentBytes(controllerPid) };
}

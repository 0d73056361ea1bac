import { setTimeout as sleep } from "node:timers/promises";

import { cpuMs, peakResidentBytes, residentBytes } from "./process-usage.ts";
import type { Stage } from "./stage.ts";
import { times } from "./times.ts";
import { COMMAND_SPEC } from "./tracker.ts";

const LOOK_EVERY_MS = 2_000;
const MAX_LOOKS = 100;
/** Of a core: a controller that uses less has nothing to do. */
const IDLE_SHARE = 0.03;

export interface ScaleFigures {
  readonly commands: number;
  readonly nodes: number;
  /** Of the controller, in bytes, when it has written what there is to say of all of them. */
  readonly resident: number;
  readonly peak: number;
}

export interface ScaleOptions {
  readonly namespace: string;
  readonly controllerPid: number;
  /** So many commands are to be there, and so many nodes. */
  readonly count: number;
  /** So many are there already. */
  readonly commands: number;
  readonly nodes: number;
}

/** Fills the controller's namespace with nodes that are away, and commands for them that wait. */
export async function measureScale(stage: Stage, options: ScaleOptions): Promise<ScaleFigures> {
  const { api, progress } = stage;
  const { namespace, controllerPid, count } = options;
  const commands = Math.max(0, count - options.commands);
  const nodes = Math.max(0, count - options.nodes);
  progress(`scale: creating ${nodes} nodes and ${commands} commands`);
  await times(stage, nodes, (index) => api.createNode(namespace, `away-${index}`));
  await times(stage, commands, (index) => {
    const spec = { ...COMMAND_SPEC, nodeName: `away-${index % Math.max(1, nodes)}` };
    return api.createCommand(namespace, `waiting-${index}`, spec);
  });
  if (nodes + commands > 0) await untilIdle(stage, controllerPid);
  return {
    commands: options.commands + commands,
    nodes: options.nodes + nodes,
    resident: await residentBytes(controllerPid),
    peak: await peakResidentBytes(controllerPid),
  };
}

async function untilIdle({ signal, progress }: Stage, pid: number): Promise<void> {
  for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
    const before = await cpuMs(pid);
    await sleep(LOOK_EVERY_MS, undefined, { signal });
    const used = (await cpuMs(pid)) - before;
    if (used < LOOK_EVERY_MS * IDLE_SHARE) return;
  }
  progress("the controller is not idle yet; its memory is looked at all the same");
}

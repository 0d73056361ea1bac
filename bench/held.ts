import { setTimeout as sleep } from "node:timers/promises";

import type { NatsConnection } from "nats";

import { decodeMessage } from "../src/protocol/envelope.ts";
import { resultMessage } from "../src/protocol/result.ts";
import { ANYONE } from "../src/protocol/signature.ts";
import { eventsOfAllNodes } from "../src/protocol/subjects.ts";
import { GATE } from "./agent-host-config.ts";
import type { Child } from "./child.ts";
import type { Fleet } from "./fleet.ts";
import type { Phases } from "./phases.ts";
import { startController, type Stage } from "./stage.ts";
import { rounded } from "./statistics.ts";
import { times } from "./times.ts";
import { COMMAND_SPEC } from "./tracker.ts";

const ENDED: ReadonlySet<string> = new Set(["Succeeded"]);
const ACCEPTED: ReadonlySet<string> = new Set(["Accepted", "Running"]);
const WAITING: ReadonlySet<string> = new Set(["WaitingForNode"]);
const LOOK_EVERY_MS = 50;

export interface Scene {
  readonly stage: Stage;
  readonly nats: NatsConnection;
  readonly phases: Phases;
  readonly namespace: string;
  /** How many are held back. */
  readonly held: number;
  readonly signal: AbortSignal;
}

export interface HeldFigures {
  /** From the start of what was missing to the last status. */
  readonly wholeMs: number;
  /** From the first status to the last. */
  readonly landingMs: number;
  /** Statuses, while they land. */
  readonly perSecond: number;
  readonly statusWritesPerCommand: number;
}

/** Commands whose nodes have run them while there was no controller. */
export async function holdResults(
  scene: Scene,
  { nodes }: Fleet,
  controller: Child,
): Promise<HeldFigures> {
  const { stage, nats, phases, namespace, held, signal } = scene;
  stage.progress(`${held} results that are held while there is no controller`);
  const ended = phases.count(ENDED);
  await times(stage, held, (index) =>
    stage.api.createCommand(namespace, `gated-${index}`, {
      ...COMMAND_SPEC,
      method: "gated",
      nodeName: nodes[index % nodes.length] ?? "",
    }),
  );
  await phases.reached(held, ACCEPTED, signal);
  await controller.stop();
  await allResultsSaid(nats, held, signal);
  return measured(scene, ended, async () => void (await startController(stage, namespace)));
}

/** Commands that were created while there were no nodes. */
export async function holdCommands(
  scene: Scene,
  { nodes, host }: Fleet,
  startNodes: () => Promise<unknown>,
): Promise<HeldFigures> {
  const { stage, phases, namespace, held, signal } = scene;
  stage.progress(`${held} commands that wait for their nodes`);
  const ended = phases.count(ENDED);
  await host.stop();
  await times(stage, held, (index) =>
    stage.api.createCommand(namespace, `waiting-${index}`, {
      ...COMMAND_SPEC,
      nodeName: nodes[index % nodes.length] ?? "",
    }),
  );
  await phases.reached(held, WAITING, signal);
  return measured(scene, ended, startNodes);
}

async function measured(
  { phases, held, signal }: Scene,
  endedBefore: number,
  bringBack: () => Promise<unknown>,
): Promise<HeldFigures> {
  phases.reset();
  const start = performance.now();
  await Promise.all([bringBack(), phases.reached(endedBefore + held, ENDED, signal)]);
  const { spanMs, lastAt, writes } = phases;
  return {
    wholeMs: rounded(lastAt - start),
    landingMs: rounded(spanMs),
    perSecond: rounded((held * 1_000) / spanMs),
    statusWritesPerCommand: rounded(writes / held),
  };
}

/** Opens the gate and waits until the nodes have offered all their results, which nobody takes. */
async function allResultsSaid(
  nats: NatsConnection,
  held: number,
  signal: AbortSignal,
): Promise<void> {
  const said = new Set<string>();
  const subscription = nats.subscribe(eventsOfAllNodes("result"), {
    callback: (_, { data }) => void said.add(decodeMessage(resultMessage, data, ANYONE).runID),
  });
  nats.publish(GATE);
  while (said.size < held) await sleep(LOOK_EVERY_MS, undefined, { signal });
  subscription.unsubscribe();
}

import { edgeCommandSpec } from "../../src/api/v1alpha1/edgecommand.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";
import { ACTIONS, someNode, type Action } from "./actions.ts";
import type { ApiUser } from "./api-user.ts";
import { between, pick, pickWeighted } from "../support/seeded-random.ts";
import type { Trace } from "./trace.ts";
import type { Named, WorkloadModel } from "./workload-model.ts";

export interface WorkloadOptions {
  readonly user: ApiUser;
  readonly model: WorkloadModel;
  readonly random: Random;
  readonly clock: Clock;
  readonly trace: Trace;
}

/** Between two actions; a burst of them comes now and then. */
const PAUSE_MS = [20, 500] as const;
const BURST = 12;
const BURST_CHANCE = 0.03;

/**
 * Users at work until `over` is aborted: a seeded stream of actions, one after the other. What they choose
 * depends on what the API server answered, so that the same seed gives similar streams, not the same.
 */
export async function runWorkload(options: WorkloadOptions, over: AbortSignal): Promise<void> {
  const { random, clock } = options;
  while (!over.aborted) {
    const count = random() < BURST_CHANCE ? BURST : 1;
    for (let index = 0; index < count && !over.aborted; index += 1) await actOnce(options);
    await clock.sleep(between(random, PAUSE_MS[0], PAUSE_MS[1]), over);
  }
}

async function actOnce({ user, model, random, trace }: WorkloadOptions): Promise<void> {
  const names = [...model.names.values()];
  const live = names.filter((named) => named.live);
  const deleted = names.filter((named) => !named.live);
  const possible = ACTIONS.filter(
    ({ on, needs }) => candidates(on, live, deleted) !== 0 && isOffered(needs),
  );
  const action = pickWeighted(random, possible);
  if (action === undefined) return;
  const named = choose(action, { live, deleted, model, random });
  trace.add("asks", { action: action.name, name: named.name, node: named.node });
  const came = await action.act({ user, model, random, named });
  trace.add("asked", { action: action.name, name: named.name, ...came });
}

function isOffered(field: string | undefined): boolean {
  return field === undefined || field in edgeCommandSpec.shape;
}

function candidates(on: Action["on"], live: readonly Named[], deleted: readonly Named[]): number {
  if (on === "none") return 1;
  return on === "live" ? live.length : deleted.length;
}

interface Choice {
  readonly live: readonly Named[];
  readonly deleted: readonly Named[];
  readonly model: WorkloadModel;
  readonly random: Random;
}

function choose({ on }: Action, { live, deleted, model, random }: Choice): Named {
  if (on === "none") return model.addName(someNode(random));
  return pick(random, on === "live" ? live : deleted);
}

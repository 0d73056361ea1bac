import type { Random } from "../../src/runtime/random.ts";
import type { ApiUser, Done } from "./api-user.ts";
import { between, pick } from "../support/seeded-random.ts";
import { tokenIn } from "./scripts.ts";
import { NODES } from "./topology.ts";
import type { Named, What, WorkloadModel } from "./workload-model.ts";

/** What an action has to act with. `named` is of the kind that it asks for. */
export interface ActionContext {
  readonly user: ApiUser;
  readonly model: WorkloadModel;
  readonly random: Random;
  readonly named: Named;
}

export interface Action {
  readonly name: string;
  readonly weight: number;
  /** `none`: it makes a new name. */
  readonly on: "none" | "live" | "deleted";
  /** Only where the API has this field of the spec. */
  readonly needs?: string;
  act(context: ActionContext): Promise<object>;
}

/** Everything that users do. To add to it, add a row. */
export const ACTIONS: readonly Action[] = [
  {
    name: "create",
    weight: 10,
    on: "none",
    act: async (context) => create(context, context.model.addWhat(context.named)),
  },
  {
    name: "edit",
    weight: 4,
    on: "live",
    act: async (context) => edit(context, context.model.addWhat(context.named)),
  },
  {
    name: "edit-back",
    weight: 3,
    on: "live",
    act: async (context) => edit(context, pick(context.random, context.named.whats)),
  },
  {
    name: "edit-quickly",
    weight: 1,
    on: "live",
    act: async (context) => {
      const { named, model } = context;
      const { last } = named;
      const away = await edit(context, model.addWhat(named));
      return last === undefined ? away : edit(context, last);
    },
  },
  {
    name: "edit-timeout",
    weight: 2,
    on: "live",
    act: async ({ user, named, random }) => {
      const kind = named.last?.declared.kind;
      const timeout = kind === "stubborn" ? between(random, 2, 5) : between(random, 60, 300);
      return {
        timeout,
        done: settled(named, await user.edit(named.name, { timeout: `${timeout}s` })),
      };
    },
  },
  { name: "delete", weight: 3, on: "live", act: remove },
  {
    name: "delete-and-create-again",
    weight: 2,
    on: "live",
    act: async (context) => {
      await remove(context);
      return create(context, lastOr(context));
    },
  },
  {
    name: "create-again",
    weight: 2,
    on: "deleted",
    act: async (context) => create(context, lastOr(context)),
  },
  {
    name: "create-otherwise",
    weight: 1,
    on: "deleted",
    act: async (context) => create(context, context.model.addWhat(context.named)),
  },
  {
    name: "rerun",
    weight: 3,
    on: "live",
    needs: "rerun",
    act: (context) => change(context, { rerun: context.model.declareAgain(context.named) }),
  },
  {
    name: "clear-rerun",
    weight: 1,
    on: "live",
    needs: "rerun",
    act: (context) => change(context, { rerun: "" }),
  },
  {
    name: "suspend",
    weight: 1,
    on: "live",
    needs: "suspend",
    act: (context) => change(context, { suspend: true }),
  },
  {
    name: "resume",
    weight: 2,
    on: "live",
    needs: "suspend",
    act: (context) => change(context, { suspend: false }),
  },
  {
    name: "cancel",
    weight: 2,
    on: "live",
    needs: "cancel",
    act: (context) => change(context, { cancel: true }),
  },
  {
    name: "cancel-no-more",
    weight: 1,
    on: "live",
    needs: "cancel",
    act: (context) => change(context, { cancel: false }),
  },
  {
    name: "edit-retry",
    weight: 1,
    on: "live",
    needs: "retry",
    act: (context) => change(context, retries(context)),
  },
  {
    name: "create-with-retry",
    weight: 2,
    on: "none",
    needs: "retry",
    act: (context) =>
      createNew(context, { ...retries(context), idempotent: context.random() < 0.5 }),
  },
  {
    name: "create-for-those-that-are-there",
    weight: 2,
    on: "none",
    needs: "offlinePolicy",
    act: (context) => createNew(context, { offlinePolicy: pick(context.random, ["Skip", "Fail"]) }),
  },
  {
    name: "create-for-a-while",
    weight: 1,
    on: "none",
    needs: "ttlAfterFinished",
    act: (context) => createNew(context, { ttlAfterFinished: `${between(context.random, 1, 9)}s` }),
  },
  {
    name: "create-to-be-taken-up",
    weight: 1,
    on: "none",
    needs: "readyWhen",
    act: (context) =>
      createNew(context, { readyWhen: pick(context.random, ["Accepted", "Declared"]) }),
  },
];

/** Quick ones, so that they are over before the run is. */
function retries({ model, named, random }: ActionContext): object {
  const limit = between(random, 1, 2);
  model.allowAttempts(named, 1 + limit);
  return { retry: { limit, backoff: "1s", maxBackoff: "2s" } };
}

/** Mostly a node that is there; now and then one that never was. */
export function someNode(random: Random): (typeof NODES)[number] | "nowhere" {
  return random() < 0.02 ? "nowhere" : pick(random, NODES);
}

function lastOr({ named, model }: ActionContext): What {
  return named.last ?? model.addWhat(named);
}

async function change({ user, named }: ActionContext, spec: object): Promise<object> {
  return { ...spec, done: settled(named, await user.edit(named.name, spec)) };
}

async function createNew(context: ActionContext, more: object): Promise<object> {
  return create(context, context.model.addWhat(context.named), more);
}

async function create(
  { user, model, named }: ActionContext,
  what: What,
  more: object = {},
): Promise<object> {
  const spec = { ...model.declare(named, what), ...more };
  const done = await user.create(named.name, { nodeName: named.node, ...spec });
  named.live = true;
  if (done === "exists") await lookAgain(user, named);
  return { token: what.declared.token, done, ...more };
}

async function edit({ user, model, named }: ActionContext, what: What): Promise<object> {
  const done = settled(named, await user.edit(named.name, model.declare(named, what)));
  return { token: what.declared.token, done };
}

async function remove({ user, named }: ActionContext): Promise<object> {
  const done = await user.delete(named.name);
  named.live = false;
  return { done };
}

function settled(named: Named, done: Done): Done {
  if (done === "absent") named.live = false;
  return done;
}

/** It is there already: by an earlier try of the same request, or because etcd went back in time. */
async function lookAgain(user: ApiUser, named: Named): Promise<void> {
  const found = await user.get(named.name);
  named.live = found !== undefined;
  const token = tokenIn(found?.spec.args[0]);
  const what = named.whats.find(({ declared }) => declared.token === token);
  // What is declared now is not what was declared last: the next declaration of that counts again.
  if (what !== named.last) named.last = undefined;
}

import type { Random } from "../../../src/runtime/random.ts";
import { between } from "../../support/seeded-random.ts";
import type { Fate, Link, LinkRules } from "../link.ts";
import type { Step } from "../schedule.ts";
import { controllerOf, memberOf, type World } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

/** A link behaves by these rules for a while. */
function linkNemesis(name: Nemesis["name"], rules: (step: Step) => LinkRules): Nemesis {
  return {
    name,
    inject: async (world, step) => linkOf(world, step.target).behave(rules(step)),
    heal: async (world, { target }) => linkOf(world, target).behave({}),
  };
}

/** A process's link to the broker or, as `api/<controller>`, to the API server. */
function linkOf(world: World, target: string): Link {
  const [first, controller] = target.split("/");
  return first === "api" && controller !== undefined
    ? controllerOf(world, controller).api
    : memberOf(world, target).nats;
}

function mostly(fate: Fate, chance: number): (random: Random) => Fate {
  return (random) => (random() < chance ? fate : "pass");
}

export const linkSilence = linkNemesis("link-silence", () => ({ silent: true }));
/** In the middle of a message, again and again. */
export const linkCut = linkNemesis("link-cut", () => ({ fate: mostly("cut", 0.1) }));
export const linkDelay = linkNemesis("link-delay", ({ params }) => ({
  delayMs: (random) => between(random, 0, params["maxMs"] ?? 0),
}));
export const linkDrop = linkNemesis("link-drop", () => ({ fate: mostly("drop", 0.3) }));
export const linkDuplicate = linkNemesis("link-duplicate", () => ({
  fate: mostly("duplicate", 0.6),
}));

import { memberOf } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

/** Does not run for a while, and does not know it when it runs again. */
export const pause: Nemesis = {
  name: "pause",
  inject: async (world, { target }) => memberOf(world, target).process.signal("SIGSTOP"),
  heal: async (world, { target }) => memberOf(world, target).process.signal("SIGCONT"),
};

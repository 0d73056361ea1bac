import { memberOf } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

/** SIGKILL, and nobody starts it again for a while. */
export const kill: Nemesis = {
  name: "kill",
  inject: (world, { target }) => memberOf(world, target).process.end("SIGKILL"),
  heal: (world, { target }) => memberOf(world, target).process.start(),
};

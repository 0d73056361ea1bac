import { memberOf } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

/** Stopped in peace, as by an upgrade. */
export const restart: Nemesis = {
  name: "restart",
  inject: (world, { target }) => memberOf(world, target).process.end("SIGTERM"),
  heal: (world, { target }) => memberOf(world, target).process.start(),
};

import { memberOf, type World } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

/** Somebody sets the wall clock, and back again. */
export const clockJump: Nemesis = {
  name: "clock-jump",
  inject: (world, { target, params }) => set(world, target, params["minutes"] ?? 0),
  heal: (world, { target }) => set(world, target, 0),
};

async function set(world: World, target: string, minutes: number): Promise<void> {
  const { oddClock } = memberOf(world, target);
  if (oddClock === undefined) throw new Error(`${target} has no clock of its own`);
  await oddClock.set(minutes);
}

import type { FaultName } from "../catalogue.ts";
import type { Step } from "../schedule.ts";
import type { World } from "../world.ts";

/** One kind of fault: how it is done, and undone. */
export interface Nemesis {
  readonly name: FaultName;
  inject(world: World, step: Step): Promise<void>;
  heal(world: World, step: Step): Promise<void>;
}

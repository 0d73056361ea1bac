import { nodeOf } from "../world.ts";
import type { Nemesis } from "./nemesis.ts";

/** The power goes: agent and commands die in the same moment. The next boot has another id. */
export const machineDeath: Nemesis = {
  name: "machine-death",
  inject: async (world, { target }) => {
    const { process, machine } = nodeOf(world, target);
    await Promise.all([process.untilEnded(), machine?.die()]);
  },
  heal: async (world, { target }) => {
    const { process, machine } = nodeOf(world, target);
    await machine?.boot();
    await process.start();
  },
};

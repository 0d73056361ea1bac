import type { Method } from "./method.ts";

/** Runs the program args[0], found by the command's PATH, with the further arguments and no shell. */
export const exec: Method = {
  name: "exec",
  problem: (args) => ((args[0] ?? "") === "" ? "args[0] must be the program" : undefined),
  run: ({ work, process }) => {
    const [program = "", ...args] = work.args;
    return process([program, ...args]);
  },
};

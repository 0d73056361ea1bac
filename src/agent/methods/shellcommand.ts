import type { Method } from "./method.ts";

/** `sh -c args[0]`; further arguments are `$1`, `$2` … in it. */
export const shellcommand: Method = {
  name: "shellcommand",
  problem: (args) => ((args[0] ?? "") === "" ? "args[0] must be the shell command" : undefined),
  run: ({ work, process }) => {
    const [script = "", ...parameters] = work.args;
    return process(["/bin/sh", "-c", script, "sh", ...parameters]);
  },
};

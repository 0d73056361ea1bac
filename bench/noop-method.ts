import type { Method } from "../src/agent/methods/method.ts";
import { OutputCollector } from "../src/agent/output-collector.ts";

/** Does nothing, well: what is left of a command is Steward's own. Its output is that of a small command. */
export const noop: Method = {
  name: "noop",
  instant: true,
  problem: () => undefined,
  run: async ({ terms }) => {
    const stdout = new OutputCollector(terms.inlineBytes);
    stdout.push(Buffer.from("nothing was to be done, and it was done\n"));
    return {
      outcome: "Succeeded",
      started: "True",
      exitCode: 0,
      stdout: stdout.output(),
      stderr: new OutputCollector(terms.inlineBytes).output(),
      reason: "Completed",
      message: "It exited with status 0.",
    };
  },
};

import { OutputCollector } from "../output-collector.ts";
import type { Method } from "./method.ts";

/** Answers, and runs nothing: whether the way to the node and back is open. */
export const ping: Method = {
  name: "ping",
  instant: true,
  problem: (args) => (args.length > 0 ? "ping takes no args" : undefined),
  run: async ({ terms, agentVersion }) => {
    const answer = `pong ${agentVersion}`;
    const stdout = new OutputCollector(terms.inlineBytes);
    stdout.push(Buffer.from(`${answer}\n`));
    return {
      outcome: "Succeeded",
      started: "True",
      stdout: stdout.output(),
      stderr: new OutputCollector(terms.inlineBytes).output(),
      reason: "Completed",
      message: `The agent answered: ${answer}.`,
    };
  },
};

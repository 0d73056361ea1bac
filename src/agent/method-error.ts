import type { RunEnd } from "./run-end.ts";

/**
 * A method threw: a defect of the method. What it threw may quote arguments or output of the command, so
 * only its kind and the places in the code are kept.
 */
export class MethodError extends Error {
  override readonly name = "MethodError";

  constructor(method: string, runID: string, thrown: unknown) {
    super(`method ${method} threw ${kindOf(thrown)} in run ${runID}`);
    this.stack = `${this.name}: ${this.message}${thrown instanceof Error ? placesOf(thrown) : ""}`;
  }

  /** How the run ended. Without word of a process nobody knows what the method did before it threw. */
  end(forked: boolean): RunEnd {
    return {
      outcome: "Failed",
      started: forked ? "True" : "Unknown",
      reason: "MethodError",
      message: "The method threw, which is a defect of the agent. The agent's log says more.",
    };
  }
}

/** The stack without the message that it begins with; nothing if the message cannot be told from it. */
function placesOf({ message, stack = "" }: Error): string {
  const start = stack.indexOf(message);
  return start < 0 ? "" : stack.slice(start + message.length);
}

function kindOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return typeof thrown;
  return "code" in thrown ? `${thrown.name} ${String(thrown.code)}` : thrown.name;
}

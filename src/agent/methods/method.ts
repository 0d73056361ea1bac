import type { CommandTerms, CommandWork } from "../../protocol/command.ts";
import type { RunEnd } from "../run-end.ts";

/** What a method is given to do one run. */
export interface MethodRun {
  readonly work: CommandWork;
  readonly terms: CommandTerms;
  readonly agentVersion: string;
  /** Runs a program, and its arguments, as the process of this run; see `runProcess`. */
  readonly process: (argv: readonly [string, ...string[]]) => Promise<RunEnd>;
}

/** One thing that a node can be told to do. */
export interface Method {
  /** The last token of its subject. */
  readonly name: string;
  /**
   * True for one that answers at once and changes nothing: it waits for no other command, and is simply
   * done again if the agent died meanwhile. Any other does all its work as the process of the run, which
   * outlives the agent.
   */
  readonly instant?: boolean;
  /** What is wrong with the arguments, in words for people; undefined if nothing is. */
  problem(args: readonly string[]): string | undefined;
  /** Does it, and says how it ended. Throwing is a defect of the method: the run is then Failed. */
  run(run: MethodRun): Promise<RunEnd>;
}

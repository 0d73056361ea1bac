import type { CommandWork } from "../protocol/command.ts";
import type { Account } from "./account.ts";

/** The variable by which everything that descends from a run is found again. */
export const RUN_ID_VARIABLE = "STEWARD_RUN_ID";

/** Where programs are looked for, whoever runs them. */
export const SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface RunIdentity {
  readonly runID: string;
  readonly node: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * The environment of a command: a small clean base, the same on every node and nothing of the agent's
 * own but the account that it runs as, then what the command asks for, then what names the run, which it cannot change.
 */
export function environmentOf(
  run: RunIdentity,
  env: CommandWork["env"],
  account: Account,
): Record<string, string> {
  return {
    PATH: SEARCH_PATH,
    HOME: account.homedir,
    USER: account.username,
    LOGNAME: account.username,
    SHELL: account.shell,
    LANG: "C.UTF-8",
    ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
    STEWARD_NODE: run.node,
    STEWARD_NAMESPACE: run.namespace,
    STEWARD_NAME: run.name,
    [RUN_ID_VARIABLE]: run.runID,
  };
}

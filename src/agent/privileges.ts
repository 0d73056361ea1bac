import type { Logger } from "../runtime/logger.ts";
import { SUPERUSER, type Account } from "./account.ts";
import { SEARCH_PATH } from "./base-environment.ts";
import { findProgram } from "./find-program.ts";

/** As whom a process is to run, and how it comes to that. */
export interface Standing {
  readonly account: Account;
  /** What precedes the program and its arguments: a program that gives up rights, with its own arguments. */
  readonly prefix: readonly string[];
  /** The agent is somebody else. */
  readonly isOther: boolean;
}

/** Where setpriv(1) is on this machine; undefined if it is not there. */
export function findSetpriv(): string | undefined {
  const found = findProgram("setpriv", SEARCH_PATH, "/");
  return "path" in found ? found.path : undefined;
}

export interface PrivilegesOptions {
  /** The account that the agent runs as. */
  readonly own: Account;
  readonly setpriv: string | undefined;
  readonly logger: Logger;
}

/** How commands come to run with no more rights than they are to have. */
export class Privileges {
  readonly #options: PrivilegesOptions;
  #hasWarned = false;

  constructor(options: PrivilegesOptions) {
    this.#options = options;
  }

  /** Whether commands can run as somebody else at all. */
  get canChange(): boolean {
    return this.#options.own.uid === SUPERUSER;
  }

  /** Why a process cannot run as this account, as a sentence; else how it does. */
  standingOf(account: Account): Standing | string {
    const { own, setpriv } = this.#options;
    const isOther = account.uid !== own.uid;
    if (isOther && !this.canChange) {
      return `The agent runs as ${own.username}, and only one that runs as root can run a command as ${account.username}.`;
    }
    if (setpriv === undefined) {
      if (isOther) {
        return `The node has no setpriv (package util-linux), without which no command can run as ${account.username}.`;
      }
      this.#warn();
      return { account, prefix: [], isOther };
    }
    return { account, prefix: [setpriv, ...setprivOptions(account, isOther), "--"], isOther };
  }

  #warn(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const text =
      "there is no setpriv on this machine (package util-linux): setuid programs give commands the rights that they are made for";
    this.#options.logger.warn({}, text);
  }
}

/** Nothing that is started after this gets rights by being executed, and somebody else's process keeps none. */
function setprivOptions(account: Account, isOther: boolean): string[] {
  if (!isOther) return ["--no-new-privs"];
  return [
    `--reuid=${account.username}`,
    `--regid=${account.gid}`,
    "--init-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
  ];
}

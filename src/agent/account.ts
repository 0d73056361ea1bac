import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { promisify } from "node:util";

/** A user of the node. */
export interface Account {
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly homedir: string;
  readonly shell: string;
}

/** The user that can do everything, whatever its name. */
export const SUPERUSER = 0;
const PASSWD = "/etc/passwd";
/** Of accounts that nobody logs in to. */
const NO_SHELLS = /\/(nologin|false)$/;
const DEFAULT_SHELL = "/bin/sh";
/** How long a directory of users elsewhere has to answer. */
const LOOKUP_TIMEOUT_MS = 5_000;

const run = promisify(execFile);

/** The account that the agent runs as. A numeric user that the system has no entry for is one as well. */
export function ownAccount(): Account {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  try {
    const { username, homedir: home, shell } = userInfo();
    return { username, uid, gid, homedir: home, shell: usable(shell ?? "") };
  } catch {
    return { username: String(uid), uid, gid, homedir: homedir(), shell: DEFAULT_SHELL };
  }
}

/** Looks a user up by name: in /etc/passwd, or else where the system has its users. Undefined if there is none. */
export async function findAccount(name: string): Promise<Account | undefined> {
  return accountIn(passwdFile(), name) ?? accountIn(await otherSources(name), name);
}

/** The account of this name among lines in the form of /etc/passwd. Pure. */
export function accountIn(passwd: string, name: string): Account | undefined {
  for (const line of passwd.split("\n")) {
    const [username, , uid = "", gid = "", , home = "", shell = ""] = line.split(":");
    if (username !== name || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) continue;
    return {
      username,
      uid: Number(uid),
      gid: Number(gid),
      homedir: home === "" ? "/" : home,
      shell: usable(shell),
    };
  }
  return undefined;
}

function passwdFile(): string {
  try {
    return readFileSync(PASSWD, "utf8");
  } catch {
    return "";
  }
}

/** Such as LDAP, if the system knows of any. */
async function otherSources(name: string): Promise<string> {
  try {
    const { stdout } = await run("getent", ["passwd", "--", name], { timeout: LOOKUP_TIMEOUT_MS });
    return stdout;
  } catch {
    return "";
  }
}

/** What a program may start that asks for SHELL. */
function usable(shell: string): string {
  return shell === "" || NO_SHELLS.test(shell) ? DEFAULT_SHELL : shell;
}

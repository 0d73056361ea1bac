import { readFile } from "node:fs/promises";

import type { GuardedProcess, Guardian } from "../../dev/controlplane/guard.ts";
import { until } from "../../dev/controlplane/waiting.ts";
import type { Launch } from "./process.ts";

export interface HolderOptions {
  readonly guardian: Guardian;
  readonly logPath: string;
  /** Whether it also has processes of its own, which die with it. */
  readonly processes: boolean;
  /** A shell command run in it first: what it mounts, nobody else sees. */
  readonly setUp: string;
}

/**
 * Namespaces of their own, kept by a process: mounts and, if asked for, processes. When that process
 * dies, all that is in them is gone, and nothing is left to clean up, even if the harness is killed.
 */
export class NamespaceHolder {
  readonly #process: GuardedProcess;
  readonly #initPid: number;
  readonly #processes: boolean;

  private constructor(process: GuardedProcess, initPid: number, processes: boolean) {
    this.#process = process;
    this.#initPid = initPid;
    this.#processes = processes;
  }

  static async start(options: HolderOptions, signal: AbortSignal): Promise<NamespaceHolder> {
    const { guardian, logPath, processes, setUp } = options;
    const pidArgs = processes ? ["--pid", "--mount-proc"] : [];
    // As init it also reaps whatever its node leaves behind: a shell that waits does that.
    const script = `${setUp} && echo ready > /proc/self/comm && while :; do sleep 1; done`;
    const flags = ["--mount", ...pidArgs, "--fork", "--kill-child=SIGKILL"];
    const process = await guardian.spawn({
      command: "unshare",
      args: [...flags, "sh", "-c", script],
      cwd: guardian.dir,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      logPath,
    });
    let initPid = 0;
    let ended = false;
    void process.exited.then(() => (ended = true));
    await until(async () => {
      if (ended) throw new Error(`no namespaces: see ${logPath}`);
      initPid = await readyChildOf(process.pid);
      return initPid !== 0;
    }, signal);
    return new NamespaceHolder(process, initPid, processes);
  }

  /** The same program, inside. */
  inside({ command, args, ...rest }: Launch): Launch {
    const pid = this.#processes ? ["--pid"] : [];
    const enter = ["--target", String(this.#initPid), "--mount", ...pid, "--"];
    const wrapped = this.#processes;
    return { ...rest, command: "nsenter", args: [...enter, command, ...args], wrapped };
  }

  /** A path inside, from outside. */
  pathOf(path: string): string {
    return `/proc/${this.#initPid}/root${path}`;
  }

  /** Everything in it dies at once. */
  async kill(): Promise<void> {
    await this.#process.signal("SIGKILL");
    await this.#process.exited;
  }
}

/** The child whose set-up is done, which it says by its name; 0 while there is none. */
async function readyChildOf(pid: number): Promise<number> {
  try {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    const child = Number(children.trim().split(" ")[0] ?? "0");
    if (child === 0) return 0;
    const name = await readFile(`/proc/${child}/comm`, "utf8");
    return name.trim() === "ready" ? child : 0;
  } catch {
    return 0;
  }
}

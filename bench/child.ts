import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { GuardedProcess, Guardian } from "../dev/controlplane/guard.ts";
import { logTail } from "../dev/controlplane/log-tail.ts";

export interface ChildSpec {
  readonly name: string;
  /** A program of this repository, from its root, and its arguments. */
  readonly program: string;
  readonly args: readonly string[];
  /** Where its CPU profile goes when it ends. */
  readonly profile: string | undefined;
  /** Told when it ends before it was stopped. */
  readonly onUnexpectedExit: (error: Error) => void;
}

/** A program of this repository as a process of its own, which ends with the guardian at the latest. */
export class Child {
  readonly pid: number;
  readonly #process: GuardedProcess;
  readonly #expected = new AbortController();

  private constructor(process: GuardedProcess) {
    this.#process = process;
    this.pid = process.pid;
  }

  static async start(guardian: Guardian, spec: ChildSpec): Promise<Child> {
    const { name, program, args, profile, onUnexpectedExit } = spec;
    const logPath = join(guardian.dir, `${name}.log`);
    if (profile !== undefined) await mkdir(profile, { recursive: true });
    const flags =
      profile === undefined
        ? []
        : ["--cpu-prof", `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${name}.cpuprofile`];
    const spawned = await guardian.spawn({
      command: process.execPath,
      args: [...flags, fileURLToPath(new URL(`../${program}`, import.meta.url)), ...args],
      cwd: guardian.dir,
      env: { PATH: process.env["PATH"] ?? "", HOME: guardian.dir },
      logPath,
    });
    const child = new Child(spawned);
    void spawned.exited.then(async ({ code, signal }) => {
      if (child.#expected.signal.aborted || guardian.closing) return;
      const log = await logTail(logPath);
      onUnexpectedExit(new Error(`${name} ended with ${signal ?? `code ${code}`}:\n${log}`));
    });
    return child;
  }

  /** In peace, so that it leaves what it has to leave. */
  async stop(): Promise<void> {
    this.#expected.abort();
    await this.#process.signal("SIGTERM");
    await this.#process.exited;
  }
}

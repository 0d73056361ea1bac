import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import type { GuardedProcess, Guardian } from "../../dev/controlplane/guard.ts";
import type { ExitStatus } from "../../dev/controlplane/guardian-messages.ts";
import type { Clock } from "../../src/runtime/clock.ts";

/** The program under test. */
export const STEWARD = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The program is a child of what is started, which would not pass SIGTERM on. */
  readonly wrapped?: boolean;
}

export interface SupervisedOptions {
  readonly name: string;
  readonly guardian: Guardian;
  readonly logPath: string;
  readonly clock: Clock;
  /** Asked at each start: it may depend on what else runs. */
  readonly launch: () => Launch;
  /** It ended though nobody had asked it to; it is started again. */
  readonly onSelfExit: (status: ExitStatus) => void;
}

/** As systemd would: a moment, so that what fails at once does not spin. */
const RESTART_MS = 500;
const RESUME_MS = 200;

/**
 * A process under a service manager: it is started again when it ends by itself, until somebody ends it.
 * Signals go to its process group, which is its own: a wrapper (nsenter) and the program in it alike.
 */
export class Supervised {
  readonly name: string;
  /** Of all its processes so far. */
  readonly pids: number[] = [];
  readonly #options: SupervisedOptions;
  #process: GuardedProcess | undefined;
  #wrapped = false;
  #wanted = false;
  /** Starts and ends are done one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SupervisedOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#wanted = true;
    await this.#inTurn(() => this.#launch());
  }

  /** Ends it with that signal and waits until it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.#wanted = false;
    await this.#inTurn(async () => {
      const running = this.#process;
      this.signal("SIGCONT");
      if (this.#wrapped && signal === "SIGTERM") await this.#terminateChild();
      else this.signal(signal);
      await this.#over(running);
    });
  }

  /** From now on nobody starts it again. What ends it is somebody else's business; waits for that end. */
  async untilEnded(): Promise<void> {
    this.#wanted = false;
    await this.#inTurn(() => this.#over(this.#process));
  }

  /** A wrapper that had to notice that its child was stopped stops too, if need be after both were resumed. */
  async #over(running: GuardedProcess | undefined): Promise<void> {
    if (running === undefined) return;
    const { clock } = this.#options;
    const over = running.exited.then(() => true);
    const isOver = (): Promise<boolean> =>
      Promise.race([over, clock.sleep(RESUME_MS).then(() => false)]);
    do this.signal("SIGCONT");
    while (!(await isOver()));
  }

  /** To all of the process group, as long as there is one. */
  signal(signal: NodeJS.Signals): void {
    if (this.#process === undefined) return;
    try {
      process.kill(-this.#process.pid, signal);
    } catch {
      // It has just ended.
    }
  }

  async #terminateChild(): Promise<void> {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
      const child = Number(children.trim().split(" ")[0] ?? "");
      if (child > 1) process.kill(child, "SIGTERM");
    } catch {
      // It has just ended.
    }
  }

  async #inTurn(work: () => Promise<unknown>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async #launch(): Promise<void> {
    if (this.#process !== undefined || !this.#wanted) return;
    const { guardian, logPath, launch } = this.#options;
    const { command, args, env = {}, wrapped = false } = launch();
    const started = await guardian.spawn({
      command,
      args,
      cwd: guardian.dir,
      env: { PATH: process.env["PATH"] ?? "", HOME: guardian.dir, ...env },
      logPath,
    });
    this.#process = started;
    this.#wrapped = wrapped;
    this.pids.push(started.pid);
    void started.exited.then((status) => this.#ended(started, status));
  }

  async #ended(ended: GuardedProcess, status: ExitStatus): Promise<void> {
    const { guardian, clock, onSelfExit } = this.#options;
    if (this.#process === ended) this.#process = undefined;
    if (!this.#wanted || guardian.closing) return;
    onSelfExit(status);
    await clock.sleep(RESTART_MS);
    if (guardian.closing) return;
    await this.#inTurn(() => this.#launch());
  }
}

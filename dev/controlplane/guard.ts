import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

import {
  parseEvent,
  type ExitStatus,
  type GuardianEvent,
  type GuardianRequest,
  type SpawnSpec,
} from "./guardian-messages.ts";

/** A process whose parent is the guardian. */
export interface GuardedProcess {
  readonly pid: number;
  /** Settles, never with an error, once the process has ended and was waited for. */
  readonly exited: Promise<ExitStatus>;
  /**
   * Settles once the signal was sent. Nothing happens when the process has ended: the guardian never
   * signals a process id that it does not own.
   */
  signal(signal: NodeJS.Signals): Promise<void>;
}

class GuardianError extends Error {
  override readonly name = "GuardianError";
}

interface Entry {
  readonly spawned: PromiseWithResolvers<number>;
  readonly exited: PromiseWithResolvers<ExitStatus>;
  pid: number | undefined;
}

type GuardianChild = ChildProcessByStdio<Writable, Readable, null>;

/**
 * The starter's side of the guardian process (see guardian.ts). What it guarantees: once `dispose` has
 * settled, or soon after this process died in whatever way, no process spawned here is left, nor `dir`,
 * nor a path given to `removeAtEnd`.
 */
export class Guardian implements AsyncDisposable {
  /** A fresh private directory, which the guardian removes. */
  readonly dir: string;
  readonly #child: GuardianChild;
  readonly #ended: Promise<unknown>;
  readonly #entries = new Map<number, Entry>();
  readonly #signals: PromiseWithResolvers<void>[] = [];
  readonly #paths: string[] = [];
  #closing = false;
  #nextId = 1;

  constructor(child: GuardianChild, dir: string, lines: AsyncIterator<string>) {
    this.#child = child;
    this.dir = dir;
    this.#ended = this.#listen(lines);
  }

  /** True from the moment `dispose` is called: processes that end from then on were meant to. */
  get closing(): boolean {
    return this.#closing;
  }

  async spawn(spec: SpawnSpec): Promise<GuardedProcess> {
    if (!this.#child.stdin.writable) throw new GuardianError("the guardian process has ended");
    const id = this.#nextId++;
    const entry: Entry = {
      spawned: Promise.withResolvers(),
      exited: Promise.withResolvers(),
      pid: undefined,
    };
    this.#entries.set(id, entry);
    this.#ask({ op: "spawn", id, ...spec });
    const pid = await entry.spawned.promise;
    return {
      pid,
      exited: entry.exited.promise,
      signal: (signal) => {
        const sent = Promise.withResolvers<void>();
        // Ended with its processes: there is nothing to signal.
        if (!this.#child.stdin.writable) return Promise.resolve();
        this.#signals.push(sent);
        this.#ask({ op: "signal", id, signal });
        return sent.promise;
      },
    };
  }

  /** For what is made outside `dir`. That the path is gone by then is fine. */
  removeAtEnd(path: string): void {
    this.#paths.push(path);
    this.#ask({ op: "removeAtEnd", path });
  }

  /** Kills every process, removes the files, and waits for both. Again: the same wait, no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#child.stdin.end();
    await this.#ended;
    // For a guardian that was itself killed; otherwise there is nothing left to remove.
    for (const path of [this.dir, ...this.#paths]) await rm(path, { recursive: true, force: true });
  }

  #ask(request: GuardianRequest): void {
    if (this.#child.stdin.writable) this.#child.stdin.write(`${JSON.stringify(request)}\n`);
  }

  async #listen(lines: AsyncIterator<string>): Promise<void> {
    for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
      this.#hear(parseEvent(next.value));
    }
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await once(this.#child, "exit");
    }
    this.#loseAll();
  }

  #hear(message: GuardianEvent): void {
    if (message.event === "ready") return;
    if (message.event === "signalled") return this.#signals.shift()?.resolve();
    const entry = this.#entries.get(message.id);
    if (entry === undefined) return;
    switch (message.event) {
      case "spawned":
        entry.pid = message.pid;
        entry.spawned.resolve(message.pid);
        return;
      case "failed":
        this.#entries.delete(message.id);
        entry.spawned.reject(new GuardianError(message.message));
        return;
      case "exited":
        this.#entries.delete(message.id);
        entry.exited.resolve({ code: message.code, signal: message.signal });
        return;
      default:
        throw new GuardianError(`unknown message ${JSON.stringify(message satisfies never)}`);
    }
  }

  /** The guardian is gone. It left nothing alive unless it was killed: then this process has to. */
  #loseAll(): void {
    for (const entry of this.#entries.values()) {
      if (entry.pid !== undefined) killGroup(entry.pid);
      entry.spawned.reject(new GuardianError("the guardian process has ended"));
      entry.exited.resolve({ code: null, signal: "SIGKILL" });
    }
    this.#entries.clear();
    for (const sent of this.#signals.splice(0)) sent.resolve();
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Already gone.
  }
}

export async function startGuardian(): Promise<Guardian> {
  const program = fileURLToPath(new URL("./guardian.ts", import.meta.url));
  // NODE_OPTIONS of the starter (an inspector port, a loader) are not meant for it.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [program], {
    detached: true,
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  // A guardian that died shows as the end of its output; the failed write says nothing more.
  child.stdin.on("error", () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const started = Promise.withResolvers<never>();
  child.once("error", (cause) =>
    started.reject(new GuardianError("the guardian process did not start", { cause })),
  );
  const first = await Promise.race([lines.next(), started.promise]);
  const message = first.done === true ? undefined : parseEvent(first.value);
  if (message?.event !== "ready") throw new GuardianError("the guardian process did not start");
  return new Guardian(child, message.dir, lines);
}

import { mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { GuardedProcess, Guardian } from "./guard.ts";
import type { ExitStatus } from "./guardian-messages.ts";
import { logTail } from "./log-tail.ts";
import { freePort } from "./ports.ts";
import { until } from "./waiting.ts";

/** Ample for a machine that compiles on all its processors beside it. */
const START_TIMEOUT_MS = 180_000;
const PORT_TRIES = 5;

/** What makes one server out of a process, a port and a question. */
export interface ComponentSpec<Name extends string = string> {
  readonly name: Name;
  readonly executable: string;
  args(port: number): readonly string[];
  /**
   * Whether the server on that port is ready and is the one started here: it must show something that
   * only this run knows, because a stranger may have taken the port.
   */
  isReady(port: number, signal: AbortSignal): Promise<boolean>;
}

export interface ComponentContext {
  readonly guardian: Guardian;
  /** Ends a wait for readiness. */
  readonly signal: AbortSignal;
  /** Told when the process ends though nobody asked it to. */
  readonly onUnexpectedExit: (error: ComponentExitedError) => void;
}

export class ComponentExitedError extends Error {
  override readonly name = "ComponentExitedError";
  readonly component: string;
  readonly log: string;

  constructor(component: string, status: ExitStatus, log: string) {
    super(`${component} ended with ${status.signal ?? `code ${status.code}`}:\n${log}`);
    this.component = component;
    this.log = log;
  }
}

class ComponentStartError extends Error {
  override readonly name = "ComponentStartError";
}

/**
 * One server of the control plane. It keeps its port and its data over any number of ends and starts.
 * INVARIANT: at most one process of it exists; the methods may not be called at once with each other.
 */
export class Component<Name extends string = string> {
  readonly name: Name;
  readonly port: number;
  readonly logPath: string;
  readonly #spec: ComponentSpec<Name>;
  readonly #context: ComponentContext;
  #process: GuardedProcess;
  #running = false;

  constructor(spec: ComponentSpec<Name>, started: Attempt) {
    this.name = spec.name;
    this.port = started.port;
    this.logPath = started.logPath;
    this.#spec = spec;
    this.#context = started.context;
    this.#process = started.process;
    this.#watch(started.process);
  }

  /** Of the process that runs now or ran last. */
  get pid(): number {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Sends a signal that should not end the process (SIGHUP makes nats-server read its configuration). */
  async signal(signal: NodeJS.Signals): Promise<void> {
    await this.#process.signal(signal);
  }

  /** Asks the process to end and waits until it has. kube-apiserver takes its time while it is watched. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#running = false;
    await this.#process.signal(signal);
    await this.#process.exited;
  }

  /** Kills the process and waits until it is gone. */
  async kill9(): Promise<void> {
    await this.stop("SIGKILL");
  }

  /** Ends the process if there is one, by SIGKILL, starts it anew and waits until it is ready. */
  async restart(): Promise<void> {
    await this.kill9();
    const attempt = await launch(this.#spec, this.port, this.#context);
    this.#process = attempt.process;
    await ready(attempt);
    this.#watch(attempt.process);
  }

  /** Stops the process from running, its connections staying open: a server that hangs. */
  async pause(): Promise<void> {
    await this.#process.signal("SIGSTOP");
  }

  async resume(): Promise<void> {
    await this.#process.signal("SIGCONT");
  }

  #watch(process: GuardedProcess): void {
    this.#running = true;
    void process.exited.then(async (status) => {
      const expected =
        !this.#running || process !== this.#process || this.#context.guardian.closing;
      if (expected) return;
      this.#running = false;
      const log = await logTail(this.logPath);
      this.#context.onUnexpectedExit(new ComponentExitedError(this.name, status, log));
    });
  }
}

/** One process of a component, which may or may not become ready. */
interface Attempt {
  readonly spec: ComponentSpec;
  readonly context: ComponentContext;
  readonly port: number;
  readonly process: GuardedProcess;
  readonly logPath: string;
  /** Where the lines of this process begin. */
  readonly logStart: number;
}

/** Starts a component on a port that is free, and waits until it is ready. */
export async function startComponent<Name extends string>(
  spec: ComponentSpec<Name>,
  context: ComponentContext,
): Promise<Component<Name>> {
  for (let tries = 1; ; tries++) {
    const attempt = await launch(spec, await freePort(), context);
    try {
      await ready(attempt);
      return new Component(spec, attempt);
    } catch (error) {
      if (tries === PORT_TRIES || !isPortClash(error)) throw error;
    }
  }
}

function isPortClash(error: unknown): boolean {
  return error instanceof ComponentExitedError && error.log.includes("address already in use");
}

async function launch(
  spec: ComponentSpec,
  port: number,
  context: ComponentContext,
): Promise<Attempt> {
  const { dir } = context.guardian;
  const logPath = join(dir, "log", `${spec.name}.log`);
  await mkdir(dirname(logPath), { recursive: true });
  const logStart = await sizeOf(logPath);
  context.signal.throwIfAborted();
  const process = await context.guardian.spawn({
    command: spec.executable,
    args: spec.args(port),
    cwd: dir,
    // Nothing of the user's: ETCD_*, KUBECONFIG or a proxy would change what is started.
    env: { HOME: dir, TMPDIR: dir, PATH: "/usr/bin:/bin" },
    logPath,
  });
  return { spec, context, port, process, logPath, logStart };
}

async function ready(attempt: Attempt): Promise<void> {
  const { spec, context, port, process } = attempt;
  const patience = AbortSignal.timeout(START_TIMEOUT_MS);
  const ended = new AbortController();
  void process.exited.then((status) => ended.abort(status));
  const signal = AbortSignal.any([context.signal, patience, ended.signal]);
  try {
    await until(() => spec.isReady(port, signal), signal);
  } catch (error) {
    context.signal.throwIfAborted();
    const log = await logTail(attempt.logPath, attempt.logStart);
    if (ended.signal.aborted) throw new ComponentExitedError(spec.name, await process.exited, log);
    if (!patience.aborted) throw error;
    throw new ComponentStartError(`${spec.name} did not become ready:\n${log}`, { cause: error });
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

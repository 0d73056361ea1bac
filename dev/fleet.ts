import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { killRuns } from "../src/agent/run-processes.ts";
import { systemClock } from "../src/runtime/clock.ts";
import type { GuardedProcess, Guardian } from "./controlplane/guard.ts";
import type { ExitStatus } from "./controlplane/guardian-messages.ts";
import { run } from "./controlplane/run.ts";

const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

export interface FleetAccess {
  readonly guardian: Guardian;
  readonly kubeconfigPath: string;
  readonly natsUrl: string;
  /** The key sets of the fleet; undefined where the broker is insecure: then so are controllers and agents. */
  readonly keysDir: string | undefined;
  /** What the machines let be done; the default, in a file for each of its own, unless told. */
  readonly policyPath?: string;
  /** The program that stands in for `steward`, and its own arguments; that itself unless told. */
  readonly program?: readonly string[];
}

/** A controller or an agent as the process that it is in production: started, stopped, killed, again. */
export class StewardProcess {
  readonly name: string;
  readonly logPath: string;
  readonly #access: FleetAccess;
  readonly #args: readonly string[];
  #process: GuardedProcess | undefined;

  constructor(name: string, args: readonly string[], access: FleetAccess) {
    this.name = name;
    this.logPath = join(access.guardian.dir, `${name}.log`);
    this.#args = args;
    this.#access = access;
  }

  /** Starts it; readiness shows in the cluster. */
  async start(): Promise<this> {
    if (this.#process !== undefined) throw new Error(`${this.name} runs already`);
    this.#process = await this.#access.guardian.spawn({
      command: process.execPath,
      args: [...(this.#access.program ?? [main]), ...this.#args],
      cwd: this.#access.guardian.dir,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.#access.guardian.dir },
      logPath: this.logPath,
    });
    return this;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`);
    return this.#process.pid;
  }

  /** Settles when it has ended by itself or was ended. */
  get exited(): Promise<ExitStatus> {
    return this.#process?.exited ?? Promise.reject(new Error(`${this.name} does not run`));
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    await this.#process?.signal(signal);
  }

  /** Ends it, in peace unless told otherwise, and waits for that. It can be started again. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<ExitStatus | undefined> {
    const running = this.#process;
    this.#process = undefined;
    await running?.signal(signal);
    return running?.exited;
  }
}

export function controllerProcess(
  name: string,
  access: FleetAccess,
  options: readonly string[] = [],
): StewardProcess {
  const { kubeconfigPath, natsUrl, keysDir } = access;
  const security =
    keysDir === undefined ? ["--insecure"] : ["--keys-dir", join(keysDir, "controller")];
  const where = ["--kubeconfig", kubeconfigPath, "--nats-url", natsUrl, "--http-port", "0"];
  const args = [...where, ...security];
  return new StewardProcess(name, ["controller", ...args, ...options], access);
}

/** Where the agent of a node has its journal, which outlives it. */
function dataDirOf(node: string, { guardian }: FleetAccess): string {
  return join(guardian.dir, node);
}

/** Ends the commands that an agent has left running: they outlive it, and nobody keeps their time any more. */
export async function endCommands(node: string, access: FleetAccess): Promise<void> {
  const folders = await readdir(join(dataDirOf(node, access), "runs")).catch(() => []);
  const runIDs = folders.map((folder) => folder.split(".", 1)[0] ?? "");
  await killRuns(new Set(runIDs), systemClock);
}

/**
 * An agent with its journal where `dataDirOf` says. With keys, the machine joins the fleet first, as a person would
 * have it do, if it has not: `steward enroll` for a token, `steward agent join` with that.
 */
export async function agentProcess(
  node: string,
  access: FleetAccess,
  options: readonly string[] = [],
  namespace = "default",
): Promise<StewardProcess> {
  const dataDir = dataDirOf(node, access);
  await mkdir(dataDir, { recursive: true });
  const policy = ["--policy", access.policyPath ?? join(dataDir, "policy.yaml")];
  const where = ["agent", "--data-dir", dataDir, ...policy];
  if (access.keysDir === undefined) {
    const who = ["--insecure", "--node", node, "--namespace", namespace];
    const args = [...where, ...who, "--nats-url", access.natsUrl, ...options];
    return new StewardProcess(node, args, access);
  }
  if (!existsSync(join(dataDir, "identity", "trust.json"))) {
    await joinFleet(node, access, await enroll(node, access, { namespace }));
  }
  return new StewardProcess(node, [...where, ...options], access);
}

interface EnrollOptions {
  readonly namespace?: string;
  /** Where the node finds the broker; where it is unless told. */
  readonly natsUrl?: string;
}

/** Declares the node and gives the token with which a machine may become it, once. */
export async function enroll(
  node: string,
  { kubeconfigPath, keysDir = "" }: Pick<FleetAccess, "kubeconfigPath" | "keysDir">,
  { namespace = "default", natsUrl }: EnrollOptions = {},
): Promise<string> {
  const access = ["--keys-dir", keysDir, "--kubeconfig", kubeconfigPath];
  const broker = natsUrl === undefined ? [] : ["--nats-url", natsUrl];
  const line = await steward(["enroll", node, "--namespace", namespace, ...access, ...broker]);
  return line.trim().replace(/^steward agent join /, "");
}

/** Makes the key of the node's machine, and has it trust whom the token says. */
export async function joinFleet(node: string, access: FleetAccess, token: string): Promise<void> {
  const dataDir = dataDirOf(node, access);
  await mkdir(dataDir, { recursive: true });
  await steward(["agent", "join", token, "--data-dir", dataDir]);
}

async function steward(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(process.execPath, [main, ...args], {
    env: { PATH: process.env["PATH"] ?? "" },
  });
  // Not all of the arguments: a token is secret.
  if (code !== 0) throw new Error(`steward ${args[0]} ${args[1]}: ${stderr}`);
  return stdout;
}

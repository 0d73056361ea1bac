import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Msg, NatsConnection } from "nats";
import { crdDirectory } from "../../dev/controlplane/apply-crds.ts";
import { startControlPlane, type ControlPlane } from "../../dev/controlplane/control-plane.ts";
import { startGuardian } from "../../dev/controlplane/guard.ts";
import { kubectlEnvironment } from "../../dev/controlplane/kubectl-environment.ts";
import { readNatsAccess, type NatsAccess } from "../../dev/controlplane/nats-access.ts";
import { run } from "../../dev/controlplane/run.ts";
import {
  agentProcess,
  controllerProcess,
  endCommands,
  type FleetAccess,
  type StewardProcess,
} from "../../dev/fleet.ts";
import type { EdgeCommand } from "../../src/api/v1alpha1/edgecommand.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { recordedIn, timesRun } from "../support/truth.ts";
import type { Said } from "./frame.ts";
import { connectMaster } from "./nats-users.ts";

export const OURS = "fleet-a";
export const THEIRS = "fleet-b";
/** Two nodes of one namespace, and one of another. */
export const NODES = ["ship1", "ship2"] as const;
export const THEIR_NODE = "factory1";
const DEADLINE_MS = 60_000;

/** Somebody who may do anything in the namespace `OURS`, and nothing elsewhere. */
export const TENANT = {
  user: "tenant",
  token: randomBytes(16).toString("hex"),
  groups: ["tenants"],
};

export interface Heard extends Said {
  readonly reply: string | undefined;
}

/** A whole fleet with a broker of which the attacker has the keys: he hears everything that is said. */
export class FleetWorld implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly access: NatsAccess;
  readonly master: NatsConnection;
  readonly heard: Heard[] = [];
  readonly truthDir: string;
  readonly processes: StewardProcess[] = [];
  readonly #fleet: FleetAccess;
  readonly #stack: AsyncDisposableStack;
  #onHeard: (message: Heard) => void = () => undefined;

  static async start(): Promise<FleetWorld> {
    await using stack = new AsyncDisposableStack();
    const plane = stack.use(
      await startControlPlane({ fsync: false, crds: crdDirectory, users: [TENANT] }),
    );
    const guardian = stack.use(await startGuardian());
    const truthDir = await mkdtemp(join(tmpdir(), "steward-truth-"));
    stack.defer(() => rm(truthDir, { recursive: true, force: true }));
    // Commands run as nobody in particular.
    await chmod(truthDir, 0o777);
    const keysDir = plane.keysDir ?? "";
    const access = await readNatsAccess(keysDir);
    const master = await connectMaster(keysDir, plane.natsUrl, access);
    stack.defer(() => master.close());
    const { kubeconfigPath, natsUrl } = plane;
    const fleet = { guardian, kubeconfigPath, natsUrl, keysDir };
    const world = new FleetWorld({ plane, access, master, truthDir, fleet, stack: stack.move() });
    await world.#begin();
    return world;
  }

  private constructor(parts: {
    readonly plane: ControlPlane;
    readonly access: NatsAccess;
    readonly master: NatsConnection;
    readonly truthDir: string;
    readonly fleet: FleetAccess;
    readonly stack: AsyncDisposableStack;
  }) {
    this.plane = parts.plane;
    this.access = parts.access;
    this.master = parts.master;
    this.truthDir = parts.truthDir;
    this.#fleet = parts.fleet;
    this.#stack = parts.stack;
    parts.master.subscribe(">", { callback: (_, message) => this.#hear(message) });
  }

  get keysDir(): string {
    return this.#fleet.keysDir ?? "";
  }

  async #begin(): Promise<void> {
    for (const namespace of [OURS, THEIRS]) await this.kubectl(["create", "namespace", namespace]);
    const options = ["--no-leader-elect", "--node-grace-period", "20s"];
    this.processes.push(await controllerProcess("controller", this.#fleet, options).start());
    const nodes = [...NODES.map((node) => [OURS, node] as const), [THEIRS, THEIR_NODE] as const];
    await Promise.all(nodes.map(([namespace, node]) => this.#startAgent(node, namespace)));
    await Promise.all(nodes.map(([namespace, node]) => this.untilReady(namespace, node)));
  }

  async #startAgent(node: string, namespace: string): Promise<void> {
    const options = ["--hello-interval", "2s", "--kill-grace-period", "500ms"];
    const agent = await agentProcess(node, this.#fleet, options, namespace);
    this.#stack.defer(() => endCommands(node, this.#fleet));
    this.processes.push(await agent.start());
  }

  /** Stops the agent of a node, and starts it again: what it says and hears from then on is of another session. */
  async restartAgent(node: string): Promise<void> {
    const agent = this.processes.find(({ name }) => name === node);
    await agent?.stop();
    await agent?.start();
  }

  #hear({ subject, reply, data }: Msg): void {
    const message = {
      subject,
      reply: reply === "" ? undefined : reply,
      data: Uint8Array.from(data),
    };
    this.heard.push(message);
    this.#onHeard(message);
  }

  /** Calls back on everything that is said, as it is said; returns the way to end that. */
  whenHeard(listener: (message: Heard) => void): () => void {
    this.#onHeard = listener;
    return () => {
      this.#onHeard = () => undefined;
    };
  }

  async tryKubectl(
    args: readonly string[],
    stdin?: string,
    kubeconfigPath = this.plane.kubeconfigPath,
  ): ReturnType<typeof run> {
    const env = kubectlEnvironment({ dir: this.plane.dir, kubeconfigPath });
    return run(this.plane.binaries.kubectl, args, {
      env,
      ...(stdin === undefined ? {} : { stdin }),
    });
  }

  async kubectl(args: readonly string[], stdin?: string): Promise<string> {
    const { code, stdout, stderr } = await this.tryKubectl(args, stdin);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  untilReady(namespace: string, node: string): Promise<string> {
    return this.kubectl([
      "wait",
      "-n",
      namespace,
      "--for=condition=Ready",
      `en/${node}`,
      "--timeout=60s",
    ]);
  }

  truthPath(name: string): string {
    return join(this.truthDir, name);
  }

  /** A shell command that records that it runs, and then does something else. */
  async apply(name: string, nodeName: string, script = "true"): Promise<void> {
    const args = [recordedIn(this.truthPath(name), script)];
    const object = manifest(name, { nodeName, method: "shellcommand", args });
    await this.kubectl(["apply", "-n", OURS, "-f", "-"], JSON.stringify(object));
  }

  async completed(name: string): Promise<EdgeCommand["status"]> {
    await this.kubectl([
      "wait",
      "-n",
      OURS,
      "--for=condition=Completed",
      `ec/${name}`,
      "--timeout=60s",
    ]);
    const text = await this.kubectl(["get", "ec", name, "-n", OURS, "-o", "json"]);
    return (JSON.parse(text) as EdgeCommand).status;
  }

  /** What the cluster says of every command, without what changes by itself. */
  async statuses(): Promise<string> {
    return this.kubectl([
      "get",
      "ec",
      "-A",
      "-o",
      'jsonpath={range .items[*]}{.metadata.name} {.status}{"\\n"}{end}',
    ]);
  }

  timesRun(name: string): Promise<number> {
    return timesRun(this.truthPath(name));
  }

  /** What a process said at the level of an error or above. */
  async errorsOf({ logPath }: StewardProcess): Promise<string[]> {
    const lines = (await readFile(logPath, "utf8")).split("\n");
    return lines.filter((line) => /"level":"(error|fatal)"/.test(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.processes) await process.stop("SIGKILL");
    await this.#stack.disposeAsync();
  }
}

export function manifest(name: string, spec: object): object {
  return { apiVersion: "steward.dev/v1alpha1", kind: "EdgeCommand", metadata: { name }, spec };
}

/** Waits for something to come true; throws if it does not within a minute. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = clock.monotonic() + DEADLINE_MS;
  while (!(await condition())) {
    if (clock.monotonic() > end) throw new Error(`it did not come true: ${what}`);
    await clock.sleep(20);
  }
}

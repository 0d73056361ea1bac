import { join } from "node:path";

import { expect, vi } from "vitest";

import { startGuardian, type Guardian } from "../../dev/controlplane/guard.ts";
import {
  agentProcess,
  controllerProcess,
  endCommands,
  type FleetAccess,
  type StewardProcess,
} from "../../dev/fleet.ts";
import type { EdgeCommand } from "../../src/api/v1alpha1/edgecommand.ts";
import type { Cluster } from "./control-plane.ts";
import { openPolicy } from "./open-policy.ts";

/** The part of an EdgeCommand that a test reads. */
export type Status = EdgeCommand["status"];

interface FleetOptions {
  readonly controllers?: number;
  /** What stands in for `steward controller`, given the fleet's directory. */
  readonly controllerProgram?: ((dir: string) => readonly string[]) | undefined;
}

interface FleetParts extends FleetOptions {
  readonly guardian: Guardian;
  readonly policyPath: string;
  readonly controllers: number;
}

/**
 * A controller and agents as processes, in a namespace of their own. The controller serves that namespace
 * only, so that fleets of several tests share a control plane.
 */
export class Fleet implements AsyncDisposable {
  readonly namespace: string;
  /** The first one leads, as long as nothing happens to it. */
  readonly controllers: readonly StewardProcess[];
  readonly agents = new Map<string, StewardProcess>();
  readonly #cluster: Cluster;
  readonly #guardian: Guardian;
  readonly #access: FleetAccess;

  static async start(
    cluster: Cluster,
    nodes: readonly string[],
    { controllers = 1, controllerProgram }: FleetOptions = {},
  ): Promise<Fleet> {
    const namespace = await cluster.createNamespace();
    const guardian = await startGuardian();
    const policyPath = await openPolicy(guardian.dir);
    const parts = { guardian, policyPath, controllers, controllerProgram };
    const fleet = new Fleet(cluster, namespace, parts);
    await fleet.controller.start();
    if (controllers > 1) await fleet.leaseHolder();
    for (const standby of fleet.controllers.slice(1)) await standby.start();
    for (const node of nodes) await fleet.addAgent(node);
    await fleet.untilReady("True", nodes);
    return fleet;
  }

  private constructor(
    cluster: Cluster,
    namespace: string,
    { guardian, policyPath, controllers, controllerProgram }: FleetParts,
  ) {
    this.namespace = namespace;
    this.#cluster = cluster;
    this.#guardian = guardian;
    const { kubeconfigPath, natsUrl, keysDir } = cluster;
    this.#access = { guardian, kubeconfigPath, natsUrl, keysDir, policyPath };
    const serving = ["--namespace", namespace, "--node-grace-period", "4s", "--log-level", "debug"];
    // One alone need not wait for the lease of one that was killed before it.
    const options = controllers === 1 ? [...serving, "--no-leader-elect"] : serving;
    const program = controllerProgram?.(guardian.dir);
    const access = program === undefined ? this.#access : { ...this.#access, program };
    this.controllers = Array.from({ length: controllers }, (_, index) =>
      controllerProcess(index === 0 ? "controller" : `controller-${index + 1}`, access, options),
    );
  }

  get controller(): StewardProcess {
    const [first] = this.controllers;
    if (first === undefined) throw new Error("there is no controller");
    return first;
  }

  /** Who leads; waits until it is somebody else than `previous`. */
  async leaseHolder(previous = ""): Promise<string> {
    const args = ["get", "lease", "steward-controller", "-o", "jsonpath={.spec.holderIdentity}"];
    return vi.waitFor(
      async () => {
        const { stdout } = await this.tryKubectl(args);
        expect(["", previous]).not.toContain(stdout);
        return stdout;
      },
      { timeout: 90_000, interval: 200 },
    );
  }

  /** Fresh for each fleet; tests keep their ground truth in it. */
  get dir(): string {
    return this.#guardian.dir;
  }

  /** The name of a node of this fleet: names are unique on a broker, and the broker is shared. */
  node(name: string): string {
    return `${name}-${this.namespace}`;
  }

  /** `program`: what stands in for `steward`. */
  async addAgent(name: string, program?: readonly string[]): Promise<StewardProcess> {
    const options = ["--hello-interval", "1s", "--kill-grace-period", "500ms"];
    const access = program === undefined ? this.#access : { ...this.#access, program };
    const agent = await agentProcess(this.node(name), access, options, this.namespace);
    this.agents.set(name, agent);
    return agent.start();
  }

  agent(name: string): StewardProcess {
    const agent = this.agents.get(name);
    if (agent === undefined) throw new Error(`there is no agent ${name}`);
    return agent;
  }

  /** kubectl in the namespace of the fleet; a failure is an error. */
  async kubectl(args: readonly string[], stdin?: string): Promise<string> {
    const result = await this.tryKubectl(args, stdin);
    if (result.code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${result.stderr}`);
    return result.stdout;
  }

  async tryKubectl(
    args: readonly string[],
    stdin?: string,
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const options = stdin === undefined ? {} : { stdin };
    return this.#cluster.kubectl(["-n", this.namespace, ...args], options);
  }

  /** `kubectl apply` of an EdgeNode. */
  async declareNode(name: string, spec: object): Promise<string> {
    const [apiVersion, kind] = ["steward.dev/v1alpha1", "EdgeNode"];
    const node = { apiVersion, kind, metadata: { name: this.node(name) }, spec };
    return this.kubectl(["apply", "-f", "-"], JSON.stringify(node));
  }

  /** Of the key that a node has joined with. */
  async publicKey(name: string): Promise<string> {
    return this.kubectl(["get", "en", this.node(name), "-o", "jsonpath={.spec.publicKey}"]);
  }

  /** `kubectl apply` of an EdgeCommand; `spec.nodeName` is the short name. */
  async apply(name: string, spec: { nodeName: string; [field: string]: unknown }): Promise<string> {
    return this.kubectl(["apply", "-f", "-"], JSON.stringify(this.manifest(name, spec)));
  }

  manifest(name: string, spec: { nodeName: string; [field: string]: unknown }): object {
    return {
      apiVersion: "steward.dev/v1alpha1",
      kind: "EdgeCommand",
      metadata: { name },
      spec: { ...spec, nodeName: this.node(spec.nodeName) },
    };
  }

  async status(name: string): Promise<Status> {
    const text = await this.kubectl(["get", "edgecommand", name, "-o", "json"]);
    return (JSON.parse(text) as EdgeCommand).status;
  }

  /** Waits, as a person would, for the end of a command; then its status. */
  async completed(name: string): Promise<Status> {
    await this.kubectl(["wait", "--for=condition=Completed", `ec/${name}`, "--timeout=100s"]);
    return this.status(name);
  }

  async untilPhase(name: string, phase: string): Promise<Status> {
    await this.kubectl([
      "wait",
      `--for=jsonpath={.status.phase}=${phase}`,
      `ec/${name}`,
      "--timeout=60s",
    ]);
    return this.status(name);
  }

  async untilReady(status: "True" | "False", nodes: readonly string[]): Promise<void> {
    const path = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}';
    const names = nodes.map((node) => this.node(node));
    // `get` of one name is an object, of several a list: asking for the first twice makes it a list.
    const args = ["get", "en", names[0] ?? "", ...names, "-o", path];
    const wanted = [...nodes.slice(0, 1), ...nodes].map(() => status).join(" ");
    await vi.waitFor(
      async () => {
        expect((await this.tryKubectl(args)).stdout).toBe(wanted);
      },
      { timeout: 60_000, interval: 100 },
    );
  }

  /** Where a command appends a line each time that it really runs: the truth, beside all that is claimed. */
  truthPath(name: string): string {
    return join(this.dir, `${name}.truth`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.agents.values()) {
      await agent.stop("SIGKILL");
      await endCommands(agent.name, this.#access);
    }
    for (const controller of this.controllers) await controller.stop("SIGKILL");
    await this.#guardian[Symbol.asyncDispose]();
  }
}

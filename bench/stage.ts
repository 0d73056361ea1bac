import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";

import { crdDirectory } from "../dev/controlplane/apply-crds.ts";
import { startControlPlane, type ControlPlane } from "../dev/controlplane/control-plane.ts";
import { startGuardian, type Guardian } from "../dev/controlplane/guard.ts";
import type { HostConfig } from "./agent-host-config.ts";
import { Api } from "./api.ts";
import { Child } from "./child.ts";
import { pinning, type Pinning } from "./pinning.ts";

export interface StageOptions {
  readonly profile: string | undefined;
  readonly stop: AbortController;
  readonly progress: (line: string) => void;
}

/** What is compared goes over TLS and shows a JWT, on either side. */
export interface SecureBroker {
  readonly natsUrl: string;
  readonly keysDir: string;
}

/** What everything is measured on: one control plane, its processes in their places. */
export interface Stage {
  readonly plane: ControlPlane;
  readonly broker: SecureBroker;
  readonly guardian: Guardian;
  readonly api: Api;
  readonly pinning: Pinning;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
  /** A program of this repository, on the core of everything else. */
  start(name: string, program: string, args: readonly string[]): Promise<Child>;
  /** A directory that is gone at the end: on the disk or, where the system has that, in memory. */
  directory(where: "disk" | "memory"): Promise<string>;
}

export async function setStage(stack: AsyncDisposableStack, options: StageOptions): Promise<Stage> {
  const { stop, progress, profile } = options;
  const { signal } = stop;
  const onUnexpectedExit = (error: Error): void => stop.abort(error);
  // With fsync: what the comparison is made with waits for the disk as well.
  const plane = stack.use(
    await startControlPlane({
      signal,
      progress,
      crds: crdDirectory,
      fsync: true,
      onUnexpectedExit,
    }),
  );
  const guardian = stack.use(await startGuardian());
  const { server, ca, adminToken } = plane;
  const api = stack.use(new Api({ server, ca, token: adminToken }));
  const places = await pinning();
  const { components } = plane;
  // It watches all kinds for its garbage collection, which is nobody's work here.
  await components["kube-controller-manager"].stop();
  await places.server(components["kube-apiserver"].pid, components.etcd.pid);
  await places.others(components["nats-server"].pid, process.pid);
  return {
    plane,
    broker: { natsUrl: plane.natsUrl, keysDir: plane.keysDir ?? "" },
    guardian,
    api,
    pinning: places,
    signal,
    progress,
    start: async (name, program, args) => {
      const child = await Child.start(guardian, { name, program, args, profile, onUnexpectedExit });
      await places.others(child.pid);
      return child;
    },
    directory: async (where) => {
      const parent = where === "memory" ? "/dev/shm" : guardian.dir;
      const path = await mkdtemp(join(parent, "steward-bench-"));
      guardian.removeAtEnd(path);
      return path;
    },
  };
}

export async function startController(stage: Stage, namespace: string): Promise<Child> {
  const { natsUrl, keysDir } = stage.broker;
  const where = ["--kubeconfig", stage.plane.kubeconfigPath, "--nats-url", natsUrl];
  const keys = ["--keys-dir", join(keysDir, "controller"), "--http-port", "0"];
  const args = ["controller", ...where, ...keys, "--namespace", namespace];
  return stage.start("controller", "src/cli/main.ts", args);
}

export async function startAgentHost(
  stage: Stage,
  name: string,
  config: Omit<HostConfig, keyof SecureBroker>,
): Promise<Child> {
  const all: HostConfig = { ...config, ...stage.broker };
  return stage.start(name, "bench/agent-host.ts", [JSON.stringify(all)]);
}

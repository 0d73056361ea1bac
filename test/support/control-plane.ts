import { randomBytes } from "node:crypto";

import { inject } from "vitest";

import { crdDirectory } from "../../dev/controlplane/apply-crds.ts";
import {
  startControlPlane,
  type ControlPlane,
  type ControlPlaneOptions,
} from "../../dev/controlplane/control-plane.ts";
import { kubectlEnvironment } from "../../dev/controlplane/kubectl-environment.ts";
import { run, type CommandResult } from "../../dev/controlplane/run.ts";

export interface KubectlOptions {
  readonly stdin?: string;
  /** Another user's; the administrator's unless told. */
  readonly kubeconfigPath?: string;
}

/** What a test does with a control plane, whether it is shared or its own. */
export interface Cluster {
  readonly kubeconfigPath: string;
  readonly natsUrl: string;
  /** The key sets of the fleet; none if the broker is insecure. */
  readonly keysDir: string | undefined;
  readonly kubectlPath: string;
  /** A kubectl that fails is a result with a code, not an error. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<CommandResult>;
  /** A namespace that no other test has. */
  createNamespace(): Promise<string>;
}

export type OwnControlPlane = ControlPlane & Cluster;

type Access = Pick<ControlPlane, "dir" | "kubeconfigPath" | "natsUrl" | "keysDir"> & {
  readonly kubectlPath: string;
};

/** The one control plane of this run. Tests may not disturb it, nor look at all namespaces. */
export function sharedControlPlane(): Cluster {
  return clusterOf({
    dir: inject("controlPlaneDir"),
    kubeconfigPath: inject("kubeconfigPath"),
    natsUrl: inject("natsUrl"),
    keysDir: inject("keysDir"),
    kubectlPath: inject("kubectlPath"),
  });
}

/** A fresh control plane with the CRDs, for tests that kill parts of it: `await using`. */
export async function startOwnControlPlane(
  options: ControlPlaneOptions = {},
): Promise<OwnControlPlane> {
  const plane = await startControlPlane({ fsync: false, crds: crdDirectory, ...options });
  return { ...plane, ...clusterOf({ ...plane, kubectlPath: plane.binaries.kubectl }) };
}

/** kubectl of the shared control plane. */
export async function kubectl(
  args: readonly string[],
  options?: KubectlOptions,
): Promise<CommandResult> {
  return sharedControlPlane().kubectl(args, options);
}

/** A namespace of the shared control plane that no other test has. */
export async function createNamespace(): Promise<string> {
  return sharedControlPlane().createNamespace();
}

function clusterOf(access: Access): Cluster {
  const { kubeconfigPath, natsUrl, keysDir, kubectlPath } = access;
  const kubectlOf: Cluster["kubectl"] = async (args, options = {}) => {
    const config = { dir: access.dir, kubeconfigPath: options.kubeconfigPath ?? kubeconfigPath };
    return run(kubectlPath, args, {
      env: kubectlEnvironment(config),
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    });
  };
  return {
    kubeconfigPath,
    natsUrl,
    keysDir,
    kubectlPath,
    kubectl: kubectlOf,
    createNamespace: async () => {
      const name = `test-${randomBytes(5).toString("hex")}`;
      const result = await kubectlOf(["create", "namespace", name]);
      if (result.code !== 0) throw new Error(`no namespace ${name}: ${result.stderr}`);
      return name;
    },
  };
}

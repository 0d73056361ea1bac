import type { TestProject } from "vitest/node";

import { crdDirectory } from "../../dev/controlplane/apply-crds.ts";
import { startControlPlane, type ControlPlane } from "../../dev/controlplane/control-plane.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The directory of the control plane that the whole run shares. */
    controlPlaneDir: string;
    kubeconfigPath: string;
    natsUrl: string;
    keysDir: string | undefined;
    kubectlPath: string;
  }
}

interface Shared {
  users: number;
  plane: Promise<ControlPlane> | undefined;
}

declare global {
  // Vitest loads this file once for each project, in one process: the modules share only globals.
  var stewardSharedControlPlane: Shared | undefined;
}

function shared(): Shared {
  globalThis.stewardSharedControlPlane ??= { users: 0, plane: undefined };
  return globalThis.stewardSharedControlPlane;
}

/** Starts one control plane for all projects of the run. Vitest calls `teardown` also when this fails. */
export async function setup(project: TestProject): Promise<void> {
  const state = shared();
  state.users++;
  // Without fsync: tests kill processes, not the machine.
  state.plane ??= startControlPlane({ fsync: false, crds: crdDirectory });
  const plane = await state.plane;
  project.provide("controlPlaneDir", plane.dir);
  project.provide("kubeconfigPath", plane.kubeconfigPath);
  project.provide("natsUrl", plane.natsUrl);
  project.provide("keysDir", plane.keysDir);
  project.provide("kubectlPath", plane.binaries.kubectl);
}

export async function teardown(): Promise<void> {
  const state = shared();
  state.users--;
  if (state.users > 0 || state.plane === undefined) return;
  const plane = await state.plane.catch(() => undefined);
  state.plane = undefined;
  await plane?.[Symbol.asyncDispose]();
}

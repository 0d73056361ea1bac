import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Guardian } from "./guard.ts";
import { kubectlEnvironment } from "./kubectl-environment.ts";
import { logTail } from "./log-tail.ts";
import { abortable } from "./waiting.ts";

/** The generated CustomResourceDefinitions of this repository. */
export const crdDirectory = fileURLToPath(new URL("../../crds", import.meta.url));

class CrdError extends Error {
  override readonly name = "CrdError";
}

export interface KubectlContext {
  /** kubectl is one of its processes: a start that is interrupted leaves none behind. */
  readonly guardian: Guardian;
  readonly executable: string;
  readonly kubeconfigPath: string;
  readonly signal: AbortSignal;
}

/** Applies every YAML file of the directory and waits until the API server serves its kinds. */
export async function applyCrds(directory: string, context: KubectlContext): Promise<void> {
  const files = (await readdir(directory)).filter((name) => /\.ya?ml$/.test(name)).toSorted();
  if (files.length === 0) return;
  const names = files.flatMap((name) => ["--filename", join(directory, name)]);
  await kubectl(["apply", "--server-side", ...names], context);
  await kubectl(["wait", "--for=condition=Established", "--timeout=60s", ...names], context);
}

async function kubectl(args: readonly string[], context: KubectlContext): Promise<void> {
  const { guardian, executable, kubeconfigPath, signal } = context;
  const { dir } = guardian;
  const logPath = join(dir, "log", "apply-crds.log");
  const env = kubectlEnvironment({ dir, kubeconfigPath });
  const process = await guardian.spawn({ command: executable, args, cwd: dir, env, logPath });
  const status = await abortable(process.exited, signal);
  if (status.code === 0) return;
  throw new CrdError(`kubectl ${args[0]} of the CRDs failed:\n${await logTail(logPath)}`);
}

import { readdir, readFile } from "node:fs/promises";

import type { Leftover } from "./evidence.ts";

/** The processes of this machine that descend from runs in that namespace, by their environment. */
export async function processesOfRuns(namespace: string): Promise<readonly Leftover[]> {
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry));
  const found = await Promise.all(pids.map((pid) => leftover(Number(pid), namespace)));
  return found.filter((each) => each !== undefined);
}

/** Ends them all; only processes of runs of this very run of the harness have its namespace. */
export async function killProcessesOfRuns(namespace: string): Promise<void> {
  for (const { pid } of await processesOfRuns(namespace)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
}

async function leftover(pid: number, namespace: string): Promise<Leftover | undefined> {
  const variables = await entries(`/proc/${pid}/environ`);
  if (!variables.includes(`STEWARD_NAMESPACE=${namespace}`)) return undefined;
  const runID = variables.find((entry) => entry.startsWith("STEWARD_RUN_ID="))?.split("=")[1] ?? "";
  return { pid, runID, commandLine: (await entries(`/proc/${pid}/cmdline`)).join(" ") };
}

/** Empty for a process that is gone. */
async function entries(path: string): Promise<string[]> {
  try {
    return (await readFile(path, "latin1")).split("\0");
  } catch {
    return [];
  }
}

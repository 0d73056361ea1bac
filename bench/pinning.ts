import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";

import { run } from "../dev/controlplane/run.ts";

/** Puts processes on the core of the server, or on that of everything else. */
export interface Pinning {
  /** What was done, for the reader of the figures. */
  readonly note: string;
  server(...pids: readonly number[]): Promise<void>;
  others(...pids: readonly number[]): Promise<void>;
}

/**
 * Whoever wins more of a shared core would win the comparison: the server (etcd and the API server, unless told)
 * gets one core to itself, everything else shares one other. Without two cores, or without `taskset`, nothing is
 * pinned and the note says so.
 */
export async function pinning(serverName = "etcd and kube-apiserver"): Promise<Pinning> {
  const [server, others] = await allowedCpus();
  if (server === undefined || others === undefined) {
    return unpinned("NOT PINNED: there is one core; the ratios then compare little");
  }
  if (!(await hasTaskset())) return unpinned("NOT PINNED: there is no taskset");
  return {
    note: `${serverName} on core ${server}, everything else on core ${others}, of ${availableParallelism()}`,
    server: (...pids) => pin(server, pids),
    others: (...pids) => pin(others, pids),
  };
}

function unpinned(note: string): Pinning {
  return { note, server: nothing, others: nothing };
}

async function nothing(): Promise<void> {}

async function pin(cpu: number, pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    // Threads that are started later inherit it.
    const args = ["--all-tasks", "--cpu-list", "--pid", String(cpu), String(pid)];
    const { code, stderr } = await run("taskset", args, { env: process.env });
    if (code !== 0) throw new Error(`taskset did not pin process ${pid}: ${stderr.trim()}`);
  }
}

async function hasTaskset(): Promise<boolean> {
  try {
    return (await run("taskset", ["--version"], { env: process.env })).code === 0;
  } catch {
    return false;
  }
}

/** The first two cores that this process may use. */
async function allowedCpus(): Promise<readonly (number | undefined)[]> {
  const status = await readFile("/proc/self/status", "utf8");
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "0";
  const cpus = list.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: Math.min(2, last - first + 1) }, (_, index) => first + index);
  });
  return cpus.slice(0, 2);
}

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Where the agent's own cgroup (version 2) is in the file system: what it makes for its commands goes below
 * it. Undefined where there is none. Whether the agent may write there is found out by trying; in a unit
 * of systemd it is meant to with `Delegate=yes`.
 */
export function ownCgroup(): string | undefined {
  try {
    return cgroupFolder(
      readFileSync("/proc/self/mountinfo", "utf8"),
      readFileSync("/proc/self/cgroup", "utf8"),
    );
  } catch {
    return undefined;
  }
}

/** The same from the contents of `/proc/self/mountinfo` and `/proc/self/cgroup`. Pure. */
export function cgroupFolder(mountinfo: string, membership: string): string | undefined {
  const own = /^0::(\/.*)$/m.exec(membership)?.[1];
  if (own === undefined) return undefined;
  for (const line of mountinfo.split("\n")) {
    const [fields = "", type] = line.split(" - ", 2);
    if (type?.startsWith("cgroup2 ") !== true) continue;
    const [, , , root = "", mountPoint = ""] = fields.split(" ").map(unescaped);
    // A mount can show a part of the tree only; the agent's cgroup may lie outside of it.
    const below = root === "/" ? own : withoutPrefix(own, root);
    if (below !== undefined) return join(mountPoint, below);
  }
  return undefined;
}

/** Makes a cgroup. False if that cannot be done here. */
export function makeCgroup(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether there is a process in it. Not so if there is no such cgroup. */
export function isPopulated(path: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(join(path, "cgroup.events"), "utf8"));
  } catch {
    return false;
  }
}

/** Kills all that is in it, however it forks meanwhile. Does nothing where the kernel cannot (before 5.14). */
export function killCgroup(path: string): void {
  try {
    writeFileSync(join(path, "cgroup.kill"), "1");
  } catch {
    // There are other ways to find the processes of a run.
  }
}

/** Removes it, unless there is something in it. */
export function removeCgroup(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // It is in use, or gone already.
  }
}

/** The names of the cgroups in one. */
export async function cgroupsIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function withoutPrefix(path: string, prefix: string): string | undefined {
  if (path === prefix) return "/";
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : undefined;
}

/** In mountinfo, spaces and the like are written as their octal codes. */
function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { run } from "../../dev/controlplane/run.ts";
import type { FaultName } from "./catalogue.ts";

/** What this machine lets the harness do, beyond starting processes. */
export interface Facilities {
  /** Mount and PID namespaces. */
  readonly namespaces: boolean;
  /** libfaketime, to be preloaded. */
  readonly fakeTimeLibrary: string | undefined;
}

export interface LeftOut {
  readonly faults: readonly FaultName[];
  readonly why: string;
}

export async function findFacilities(): Promise<Facilities> {
  return { namespaces: await canUnshare(), fakeTimeLibrary: await findFakeTime() };
}

export function leftOut({ namespaces, fakeTimeLibrary }: Facilities): readonly LeftOut[] {
  return [
    ...(namespaces
      ? []
      : [
          {
            faults: ["machine-death", "disk-full"] as const,
            why: "unshare and nsenter must be able to make mount and PID namespaces, as root",
          },
        ]),
    ...(fakeTimeLibrary === undefined
      ? [
          {
            faults: ["clock-jump"] as const,
            why: "libfaketime is not installed (package faketime)",
          },
        ]
      : []),
  ];
}

async function canUnshare(): Promise<boolean> {
  const probe = "mount -t tmpfs none /mnt && test -r /proc/sys/kernel/random/boot_id";
  const args = ["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", probe];
  try {
    const { code } = await run("unshare", args, { env: process.env });
    return code === 0 && (await run("nsenter", ["--version"], { env: process.env })).code === 0;
  } catch {
    return false;
  }
}

/** The variant for programs with threads, where the packages of the usual distributions put it. */
async function findFakeTime(): Promise<string | undefined> {
  const libraries = (await readdir("/usr/lib").catch(() => [])).map((name) => `/usr/lib/${name}`);
  return ["/usr/lib", "/usr/lib64", "/usr/local/lib", ...libraries]
    .map((directory) => join(directory, "faketime", "libfaketimeMT.so.1"))
    .find((path) => existsSync(path));
}

import { readdir, readFile } from "node:fs/promises";
import type { Clock } from "../runtime/clock.ts";
import { RUN_ID_VARIABLE } from "./base-environment.ts";

const POLL_MS = 20;
/** A pass that finds nobody ends the sweep; a run that forks faster than this is left after the last. */
const MAX_PASSES = 50;

/** Sends a signal to a whole process group. False if there is none any more. */
export function signalGroup(groupID: number, signal: NodeJS.Signals | 0): boolean {
  return signalled(-groupID, signal);
}

/** Waits until nothing of the group is left, at most `ms`. */
export async function groupGone(groupID: number, ms: number, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + ms;
  while (signalGroup(groupID, 0) && clock.monotonic() < deadline) await clock.sleep(POLL_MS);
}

/**
 * Kills every process that carries the id of one of the runs in its environment, wherever it has gone:
 * its own session and group do not hide it, only another environment does. Resolves when there is none
 * left, with how many there were.
 */
export async function killRuns(runIDs: ReadonlySet<string>, clock: Clock): Promise<number> {
  const killed = new Set<number>();
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const found = await processesOf(runIDs);
    if (found.length === 0) break;
    for (const pid of found) {
      signalled(pid, "SIGKILL");
      killed.add(pid);
    }
    await clock.sleep(POLL_MS);
  }
  return killed.size;
}

/** The processes, other than this one, that carry the id of one of the runs. */
async function processesOf(runIDs: ReadonlySet<string>): Promise<number[]> {
  if (runIDs.size === 0) return [];
  const pids = (await readdir("/proc"))
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid);
  const carries = await Promise.all(pids.map((pid) => carriesOneOf(pid, runIDs)));
  return pids.filter((_, index) => carries[index] === true);
}

async function carriesOneOf(pid: number, runIDs: ReadonlySet<string>): Promise<boolean> {
  const prefix = `${RUN_ID_VARIABLE}=`;
  const variables = await environment(pid);
  return variables.some(
    (entry) => entry.startsWith(prefix) && runIDs.has(entry.slice(prefix.length)),
  );
}

/** Empty for a process that is gone, or that is none of ours to read. */
async function environment(pid: number): Promise<string[]> {
  try {
    return (await readFile(`/proc/${pid}/environ`, "latin1")).split("\0");
  } catch {
    return [];
  }
}

function signalled(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import type { Clock } from "../runtime/clock.ts";
import { RUN_ID_VARIABLE } from "./base-environment.ts";
import { errorCode } from "./spawn-failure.ts";

const POLL_MS = 20;
/** A pass that finds nobody ends the sweep; a run that forks faster than this is left after the last. */
const MAX_PASSES = 50;
/** Has the arguments of a wrapper up to the folder, whatever the command's are: two paths and a little. */
const COMMAND_LINE_BYTES = 10_240;

/** Sends a signal to a whole process group. False if there is none any more. */
export function signalGroup(groupID: number, signal: NodeJS.Signals | 0): boolean {
  return signalProcess(-groupID, signal);
}

/** Sends a signal to one process. False if there is none any more. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Waits until nothing of the group is left, at most `ms`. Whether that came to pass. */
export async function groupGone(groupID: number, ms: number, clock: Clock): Promise<boolean> {
  const deadline = clock.monotonic() + ms;
  while (signalGroup(groupID, 0)) {
    if (clock.monotonic() >= deadline) return false;
    await clock.sleep(POLL_MS);
  }
  return true;
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
      signalProcess(pid, "SIGKILL");
      killed.add(pid);
    }
    await clock.sleep(POLL_MS);
  }
  return killed.size;
}

/**
 * Whether a process is the wrapper of the attempt with this folder. Its arguments say so: an id that went to
 * another process meanwhile is not taken for it, nor is a zombie, which has none; nor what another user has started
 * with such arguments, which all users can read.
 */
export function wrapperRuns(pid: number, folder: string): boolean {
  const line = commandLine(pid);
  return line === "unreadable" || isWrapperLine(line, pid, folder);
}

/** The processes that are wrappers of the attempt with this folder, claimed or not. */
export function wrappersOf(folder: string): number[] {
  return pidsAmong(readdirSync("/proc")).filter((pid) =>
    isWrapperLine(commandLine(pid), pid, folder),
  );
}

function isWrapperLine(line: string | undefined, pid: number, folder: string): boolean {
  return line?.split("\0")[2] === folder && isOwn(pid);
}

/** Whether a process was started by the agent's user. One that cannot be looked at is not known to be another's. */
function isOwn(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(/^Uid:\t(\d+)/m.exec(status)?.[1]) === process.getuid?.();
  } catch {
    return true;
  }
}

/** Of the entries of /proc. */
function pidsAmong(entries: readonly string[]): number[] {
  return entries.filter((entry) => /^\d+$/.test(entry)).map(Number);
}

/** The processes, other than this one, that carry the id of one of the runs. */
async function processesOf(runIDs: ReadonlySet<string>): Promise<number[]> {
  if (runIDs.size === 0) return [];
  const pids = pidsAmong(await readdir("/proc")).filter((pid) => pid !== process.pid);
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

/** The beginning of a process's arguments; undefined if there is no such process. */
function commandLine(pid: number): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${pid}/cmdline`, "r");
    const bytes = Buffer.alloc(COMMAND_LINE_BYTES);
    return bytes.toString("utf8", 0, readSync(fd, bytes));
  } catch (thrown) {
    // What cannot be looked at for another reason is not known to be gone.
    return ["ENOENT", "ESRCH"].includes(errorCode(thrown)) ? undefined : "unreadable";
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

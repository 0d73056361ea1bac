import type { Clock } from "../runtime/clock.ts";
import { isPopulated, killCgroup, removeCgroup } from "./cgroup.ts";
import { groupGone, killRuns, signalGroup } from "./run-processes.ts";

const POLL_MS = 20;
/** How long the kernel is given to take killed processes away; one that cannot be killed takes longer. */
const EMPTY_WAIT_MS = 1_000;

/** By what the processes of an attempt are found, beside the environment that they carry. */
export interface AttemptProcesses {
  readonly runID: string;
  /**
   * The process group of its wrapper; undefined where the wrapper went unseen, since its id may be another's
   * by now.
   */
  readonly group: number | undefined;
  readonly cgroup: string | undefined;
}

/** Ends all processes of an attempt: its group is asked to end, and after the grace all is killed. */
export async function endAttempt(
  processes: AttemptProcesses,
  graceMs: number,
  clock: Clock,
): Promise<void> {
  const { group } = processes;
  if (group !== undefined && signalGroup(group, "SIGTERM")) {
    const isGone = await groupGone(group, graceMs, clock);
    if (!isGone) signalGroup(group, "SIGKILL");
  }
  await killAttempt(processes, clock);
}

/**
 * Kills what carries the id of the attempt's run, and what is in the attempt's cgroup, which nothing leaves
 * by forking, by a session of its own or by another environment. Removes the cgroup.
 */
export async function killAttempt(
  { runID, cgroup }: Omit<AttemptProcesses, "group">,
  clock: Clock,
): Promise<void> {
  if (cgroup !== undefined) killCgroup(cgroup);
  await killRuns(new Set([runID]), clock);
  if (cgroup === undefined) return;
  const deadline = clock.monotonic() + EMPTY_WAIT_MS;
  while (isPopulated(cgroup) && clock.monotonic() < deadline) await clock.sleep(POLL_MS);
  removeCgroup(cgroup);
}

/** Whether something of an attempt is left, as far as its group or its cgroup has it. */
export function isAnyLeft({ group, cgroup }: AttemptProcesses): boolean {
  if (group !== undefined && signalGroup(group, 0)) return true;
  return cgroup !== undefined && isPopulated(cgroup);
}

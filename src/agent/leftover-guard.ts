import { closeSync, fstatSync } from "node:fs";
import type { Clock } from "../runtime/clock.ts";
import { STREAMS, type AttemptFolder } from "./attempt-folder.ts";
import { isAnyLeft, killAttempt, type AttemptProcesses } from "./attempt-processes.ts";
import { removeCgroup } from "./cgroup.ts";
import { openOutput } from "./spooled-output.ts";

const LOOK_MS = 1_000;

/**
 * Watches what a command left in the background when it ended, as long as there is something and this agent
 * lives: it is left alone unless it goes on printing beyond `maxBytes`, into files that nobody reads and that
 * may have no name any more. Else it would fill the disk that the ledger is on. Never throws.
 */
export async function guardLeftovers(
  processes: AttemptProcesses,
  folder: AttemptFolder,
  maxBytes: number,
  clock: Clock,
): Promise<void> {
  const files = STREAMS.flatMap((name) => opened(folder.file(name)));
  try {
    while (isAnyLeft(processes)) {
      await clock.sleep(LOOK_MS);
      if (files.every((fd) => fstatSync(fd).size <= maxBytes)) continue;
      await killAttempt(processes, clock);
      return;
    }
    if (processes.cgroup !== undefined) removeCgroup(processes.cgroup);
  } catch {
    // What cannot be looked at is left alone.
  } finally {
    for (const fd of files) closeSync(fd);
  }
}

function opened(path: string): number[] {
  try {
    return [openOutput(path)];
  } catch {
    return [];
  }
}

/**
 * A program, not a library: the parent of every process of one control plane and the owner of its
 * directory. It obeys the lines on its standard input until that closes, then kills every process it
 * started, with their descendants, removes its files and ends.
 *
 * Standard input closes when the starter closes it, and just as well when the starter crashes or is
 * killed with SIGKILL: a normal stop and the death of the starter take the same path. The guardian and
 * its processes are outside the terminal's foreground group, so Ctrl-C reaches only the starter.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { parseRequest, type GuardianEvent, type GuardianRequest } from "./guardian-messages.ts";

type SpawnRequest = Extract<GuardianRequest, { op: "spawn" }>;

const dir = mkdtempSync(join(tmpdir(), "steward-control-plane-"));
const pathsToRemove = [dir];
const children = new Map<number, ChildProcess>();
let ending = false;

function tell(event: GuardianEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // No process of the group is left.
  }
}

function finishWhenAlone(): void {
  if (!ending || children.size > 0) return;
  // Descendants die a moment after the process that was waited for, and may still write: hence retries.
  for (const path of pathsToRemove) {
    rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
  process.exit(0);
}

function end(): void {
  if (ending) return;
  ending = true;
  for (const child of children.values()) killGroup(child);
  finishWhenAlone();
}

function start(request: SpawnRequest): void {
  const { id, command, args, cwd, env } = request;
  const log = openSync(request.logPath, "a");
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  children.set(id, child);
  child.once("spawn", () => {
    if (child.pid !== undefined) tell({ event: "spawned", id, pid: child.pid });
  });
  child.once("error", (error) => {
    // Also emitted for a signal that could not be sent: that is not the end of the process.
    if (child.pid !== undefined) return;
    children.delete(id);
    tell({ event: "failed", id, message: error.message });
    finishWhenAlone();
  });
  child.once("exit", (code, signal) => {
    killGroup(child);
    children.delete(id);
    tell({ event: "exited", id, code, signal });
    finishWhenAlone();
  });
}

function obey(request: GuardianRequest): void {
  switch (request.op) {
    case "spawn":
      try {
        start(request);
      } catch (error) {
        tell({ event: "failed", id: request.id, message: String(error) });
      }
      return;
    case "signal":
      children.get(request.id)?.kill(request.signal);
      tell({ event: "signalled" });
      return;
    case "removeAtEnd":
      pathsToRemove.push(request.path);
      return;
    default:
      throw new Error(`unknown request ${JSON.stringify(request satisfies never)}`);
  }
}

// The starter is gone when its end of the pipe is: standard input closes too, which is what counts.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
process.on("SIGINT", end);
process.on("SIGTERM", end);
process.on("SIGHUP", end);
process.on("uncaughtException", (error) => {
  process.stderr.write(`guardian: ${error.stack ?? error.message}\n`);
  end();
});

createInterface({ input: process.stdin })
  .on("line", (line) => obey(parseRequest(line)))
  .on("close", end);
tell({ event: "ready", dir });

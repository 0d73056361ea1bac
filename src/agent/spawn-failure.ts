import { statSync } from "node:fs";
import { safeText } from "../protocol/output.ts";
import { systemErrorCode } from "../runtime/errors.ts";
import type { RunEnd } from "./run-end.ts";

/** Longest name of a program or folder in a message. */
const MAX_NAME = 200;

/**
 * The end of a run whose process could not be made. There was none, so nothing ran: started is "False".
 * `code` is the errno's name.
 */
export function spawnFailure(code: string, program: string, workingDir: string): RunEnd {
  const [reason, message] = explained(code, program, workingDir);
  return { outcome: "Failed", started: "False", reason, message };
}

/** The end of a run whose user may not do with a file or folder what it takes. */
export function permissionDenied(user: string, what: string, name: string): RunEnd {
  return {
    outcome: "Failed",
    started: "False",
    reason: "PermissionDenied",
    message: `The user ${user} may not ${what} ${quoted(name)}.`,
  };
}

/** The end of a run that got as far as its wrapper, for which there was no process to be had. */
export function forkFailure(): RunEnd {
  return {
    outcome: "Failed",
    started: "False",
    reason: "SpawnFailed",
    message: "There was no process to be had for it: the machine is short of processes or memory.",
  };
}

/** The end of a run for which nothing could be started as its user for now: not for want of rights. */
export function noProcessFor(user: string, why: string): RunEnd {
  return {
    outcome: "Failed",
    started: "False",
    reason: "SpawnFailed",
    message: `There was no process to be had for the user ${user}: ${why}.`,
  };
}

/** The end of a run whose files could not be made, without which nothing of it is started. */
export function spoolUnavailable(why: string): RunEnd {
  return {
    outcome: "Failed",
    started: "False",
    reason: "SpoolUnavailable",
    message: `The agent could not make its files in the data directory: ${why}.`,
  };
}

/** The errno's name of what a call to the system threw. */
export function errorCode(thrown: unknown): string {
  return systemErrorCode(thrown) ?? "unknown error";
}

function explained(code: string, program: string, workingDir: string): [string, string] {
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      // The kernel says the same of both; the folder can be looked at.
      return isDirectory(workingDir)
        ? ["ProgramNotFound", `There is no program ${quoted(program)}.`]
        : ["WorkingDirNotFound", `There is no folder ${quoted(workingDir)} to work in.`];
    case "EACCES":
    case "EPERM":
      return [
        "PermissionDenied",
        `The agent may not execute ${quoted(program)} in ${quoted(workingDir)}.`,
      ];
    case "E2BIG":
      return [
        "ArgumentsTooLong",
        "Its arguments and environment are longer than the kernel allows.",
      ];
    default:
      return ["SpawnFailed", `The kernel made no process for it: ${code}.`];
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function quoted(name: string): string {
  return JSON.stringify(safeText(name.slice(0, MAX_NAME)));
}

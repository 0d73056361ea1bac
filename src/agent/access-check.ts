import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { safeText } from "../protocol/output.ts";
import { SEARCH_PATH } from "./base-environment.ts";
import type { Standing } from "./privileges.ts";
import { rejected, type RunEnd } from "./run-end.ts";
import { noProcessFor, permissionDenied } from "./spawn-failure.ts";

/** Longer than any local file system takes to say who may do what. */
const TIMEOUT_MS = 10_000;
const MAX_COMPLAINT = 200;
/** What setpriv itself exits with if it cannot give up rights; it has another status for what it cannot execute. */
const CANNOT_CHANGE = 1;
const CANNOT_ENTER = 101;
const CANNOT_EXECUTE = 102;
const SCRIPT = `cd "$1" 2>/dev/null || exit ${CANNOT_ENTER}; [ -x "$2" ] || exit ${CANNOT_EXECUTE}`;

const run = promisify(execFile);

/**
 * Finds out, as the one that a command is to run as, whether that one may work in the folder and execute the
 * program: nobody else can tell for certain. Undefined if so; else the end of a run that was not started.
 */
export async function accessProblem(
  { account, prefix }: Standing,
  workingDir: string,
  program: string,
): Promise<RunEnd | undefined> {
  const [setpriv = "", ...options] = prefix;
  const check = ["/bin/sh", "-c", SCRIPT, "sh", workingDir, program];
  try {
    await run(setpriv, [...options, ...check], {
      cwd: "/",
      env: { PATH: SEARCH_PATH, LC_ALL: "C" },
      timeout: TIMEOUT_MS,
    });
    return undefined;
  } catch (thrown) {
    switch (codeOf(thrown)) {
      case CANNOT_ENTER:
        return permissionDenied(account.username, "work in", workingDir);
      case CANNOT_EXECUTE:
        return permissionDenied(account.username, "execute", program);
      case CANNOT_CHANGE:
        return rejected(
          "CannotRunAs",
          `The node cannot run a command as ${account.username}: ${complaintOf(thrown)}.`,
        );
      default:
        // A machine that is short of processes, or slow, is no reason to never run it.
        return noProcessFor(account.username, complaintOf(thrown));
    }
  }
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
}

function complaintOf(thrown: unknown): string {
  const stderr = thrown instanceof Error && "stderr" in thrown ? String(thrown.stderr).trim() : "";
  if (stderr === "") return "the attempt to do so took too long or was ended";
  return safeText(stderr.slice(0, MAX_COMPLAINT));
}

import { constants } from "node:os";
import type { Exit } from "./run-end.ts";

/** The first real-time signal that the C library leaves to programs; `SIGRTMIN` is its name. */
const FIRST_REALTIME = 34;
const LAST_SIGNAL = 64;

/** Of two names of one number, the one that the documentation of Linux prefers. */
const ALIASES = new Set(["SIGIOT", "SIGPOLL", "SIGUNUSED"]);

const NAMES = new Map(
  Object.entries(constants.signals)
    .filter(([name]) => !ALIASES.has(name))
    .map(([name, number]) => [number, name]),
);

/**
 * What a shell's exit status says of the command that it ran. `spoke`: whether the shell said on its own
 * stderr how the command ended, which it does of signals only (see `WRAPPER_SCRIPT`). Pure.
 */
export function exitOf(status: number, spoke: boolean): Exit {
  const signal = spoke ? signalName(status - 128) : undefined;
  return signal === undefined ? { code: status, signal: null } : { code: null, signal };
}

function signalName(number: number): string | undefined {
  if (number === FIRST_REALTIME) return "SIGRTMIN";
  if (number > FIRST_REALTIME && number <= LAST_SIGNAL) {
    return `SIGRTMIN+${number - FIRST_REALTIME}`;
  }
  return NAMES.get(number);
}

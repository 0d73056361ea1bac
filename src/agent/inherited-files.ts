import { closeSync, readdirSync, readFileSync } from "node:fs";

const CLOSE_ON_EXEC = 0o2000000;
const STDERR = 2;

/** The descriptors of this process, beside its standard ones, that what it starts would have as well. */
export function inheritableFiles(): number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => fd > STDERR && isInheritable(fd));
}

/**
 * Closes what whoever started this process has left open in it. No command is to have that; what Node itself opens
 * is inherited by nobody. To be called before anything else is opened.
 */
export function closeInheritedFiles(): void {
  for (const fd of inheritableFiles()) closeSync(fd);
}

function isInheritable(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    // It was that of the list itself.
    return false;
  }
}

import { readFile } from "node:fs/promises";

/** How often a command really ran: the lines that it appended itself, one each time. */
export async function timesRun(path: string): Promise<number> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n").length - 1;
}

/** A shell command that first appends a line to the truth, in one write. */
export function recordedIn(path: string, then = "true"): string {
  return `echo ran >> ${path}; ${then}`;
}

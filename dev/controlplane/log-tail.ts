import { readFile } from "node:fs/promises";

/** The last lines of a log, or of what was appended to it after `fromByte`. Empty when there is none. */
export async function logTail(path: string, fromByte = 0, lines = 20): Promise<string> {
  try {
    const bytes = await readFile(path);
    return bytes.subarray(fromByte).toString("utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}

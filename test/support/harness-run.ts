import { spawn } from "node:child_process";
import { once } from "node:events";

/** It stops by itself well before; should it hang, what it said by then is worth seeing. */
const PATIENCE_MS = 225_000;

/**
 * Runs a harness of this repository as a program, with the seed that the variable of the environment names, if there
 * is one. What it says is passed on as it comes, also when all is well: the seed is worth having in the log.
 */
export async function harnessRun(
  main: string,
  args: readonly string[],
  seedVariable: string,
): Promise<{ readonly code: number | null; readonly said: string }> {
  const seed = process.env[seedVariable];
  const all = [main, ...args, ...(seed === undefined ? [] : ["--seed", seed])];
  const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill("SIGTERM"), PATIENCE_MS);
  const exited = once(child, "exit");
  let said = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    said += String(chunk);
    process.stdout.write(String(chunk));
  }
  const [code] = (await exited) as [number | null];
  clearTimeout(timer);
  return { code, said };
}

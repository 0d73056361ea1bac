import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { run } from "../../../dev/controlplane/run.ts";

/** A fresh directory, gone at the end of the scope. */
export interface Scratch extends AsyncDisposable {
  readonly path: string;
}

export async function makeScratch(): Promise<Scratch> {
  const path = await mkdtemp(join(tmpdir(), "steward-dev-test-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}

export async function writeProgram(path: string, script: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

/** Every running process whose arguments or environment contain the marker, but this one. */
export async function processesWith(marker: string): Promise<readonly string[]> {
  const { stdout } = await run("ps", ["axeww", "-o", "pid=,command="], { env: process.env });
  return stdout.split("\n").filter((line) => line.includes(marker));
}

/** Every file under a directory, however deep, without the directories. */
export async function filesUnder(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

export interface Command extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly stdout: Promise<string>;
  readonly stderr: Promise<string>;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

const program = fileURLToPath(new URL("../../../dev/control-plane.ts", import.meta.url));

/** The command of `npm run controlplane`, whose temporary files are all below `tmp`. */
export function startCommand(
  args: readonly string[],
  tmp: string,
  env: NodeJS.ProcessEnv = {},
): Command {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, TMPDIR: tmp, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  return {
    child,
    stdout: text(child.stdout),
    stderr: text(child.stderr),
    exited: ended.then(() => ({ code: child.exitCode, signal: child.signalCode })),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

import { access, constants, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";

import { run } from "./run.ts";
import {
  binarySources,
  formatVersion,
  isSameMinor,
  parseVersion,
  type BinaryName,
  type Version,
} from "./versions.ts";

/** A program that hangs when asked for its version is not the one we look for. */
const VERSION_TIMEOUT_MS = 20_000;

export interface Search {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

export interface FoundBinary {
  readonly path: string | undefined;
  /** A line for each candidate that was not taken, with the reason. */
  readonly rejected: readonly string[];
}

/** Where a binary of exactly this version is kept once it is built. */
export function cachedPath(name: BinaryName, version: Version, env: NodeJS.ProcessEnv): string {
  const xdg = env["XDG_CACHE_HOME"];
  const home = env["HOME"] ?? homedir();
  const root = xdg === undefined || xdg === "" ? join(home, ".cache") : xdg;
  const directory = `${binarySources[name].folder}-${formatVersion(version)}`;
  return join(root, "steward", "controlplane", directory, name);
}

/**
 * Looks in KUBEBUILDER_ASSETS, then on PATH, for a program of the pinned minor version, then in the
 * cache for one of exactly the pinned version.
 */
export async function findBinary(
  name: BinaryName,
  pinned: Version,
  search: Search,
): Promise<FoundBinary> {
  const rejected: string[] = [];
  for (const path of candidates(name, search.env)) {
    if (!(await isExecutable(path))) continue;
    const version = await versionOf(path, name, search);
    if (version !== undefined && isSameMinor(version, pinned)) return { path, rejected };
    const is = version === undefined ? "does not tell its version" : `is ${formatVersion(version)}`;
    rejected.push(`${path} ${is}`);
  }
  // The cache holds only what was verified before it got its name.
  const cached = cachedPath(name, pinned, search.env);
  return { path: (await isExecutable(cached)) ? cached : undefined, rejected };
}

/** The version that the program at `path` tells, if it does. */
export async function versionOf(
  path: string,
  name: BinaryName,
  search: Search,
): Promise<Version | undefined> {
  const source = binarySources[name];
  const patience = AbortSignal.timeout(VERSION_TIMEOUT_MS);
  try {
    const signal = AbortSignal.any([search.signal, patience]);
    const { stdout } = await run(path, source.versionArgs, { env: search.env, signal });
    return parseVersion(stdout, source.versionPattern);
  } catch (error) {
    search.signal.throwIfAborted();
    if (patience.aborted || isSpawnError(error)) return undefined;
    throw error;
  }
}

/** The first executable of that name on PATH. */
export async function findOnPath(
  name: string,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  for (const path of pathDirectories(env).map((directory) => join(directory, name))) {
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

function candidates(name: BinaryName, env: NodeJS.ProcessEnv): readonly string[] {
  const assets = env["KUBEBUILDER_ASSETS"];
  const first = assets === undefined || assets === "" ? [] : [assets];
  return [...first, ...pathDirectories(env)].map((directory) => resolve(directory, name));
}

function pathDirectories(env: NodeJS.ProcessEnv): readonly string[] {
  return [...new Set((env["PATH"] ?? "").split(delimiter))].filter((each) => each !== "");
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** For a file that is executable by its mode but not by its contents. */
function isSpawnError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}

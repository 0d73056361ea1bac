import { randomUUID } from "node:crypto";
import { mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";

import { cachedPath, versionOf } from "./find-binary.ts";
import type { Guardian } from "./guard.ts";
import { logTail } from "./log-tail.ts";
import { abortable } from "./waiting.ts";
import {
  binarySources,
  formatVersion,
  isSameMinor,
  moduleDirectory,
  type BinaryName,
  type BinarySource,
  type Version,
} from "./versions.ts";

class BuildError extends Error {
  override readonly name = "BuildError";
}

export interface BuildContext {
  readonly guardian: Guardian;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** The Go command. */
  readonly go: string;
}

/**
 * Builds a binary from its Go module and puts it in the cache. Guarantees that the cache only ever
 * holds whole, verified binaries: it is built under a temporary name beside its place, asked for its
 * version, then renamed. Two builds at once of the same binary both end well, the last one stays. The
 * guardian removes what an interrupted build leaves.
 */
export async function buildBinary(
  name: BinaryName,
  version: Version,
  context: BuildContext,
): Promise<string> {
  const { guardian, env, signal } = context;
  const path = cachedPath(name, version, env);
  const unfinished = join(dirname(path), `.${name}.${randomUUID()}`);
  const goTmp = join(guardian.dir, "gotmp");
  const logPath = join(guardian.dir, `build-${name}.log`);
  await mkdir(dirname(path), { recursive: true });
  await mkdir(goTmp, { recursive: true });
  guardian.removeAtEnd(unfinished);
  const build = await guardian.spawn({
    command: context.go,
    args: [
      "build",
      "-trimpath",
      `-ldflags=${linkerFlags(name, version)}`,
      "-o",
      unfinished,
      binarySources[name].package,
    ],
    cwd: moduleDirectory(binarySources[name]),
    env: buildEnvironment(env, goTmp),
    logPath,
  });
  const status = await abortable(build.exited, signal);
  if (status.code !== 0) {
    throw new BuildError(
      `go build of ${name} ended with ${status.signal ?? status.code}:\n${await logTail(logPath)}`,
    );
  }
  const built = await versionOf(unfinished, name, context);
  if (built === undefined || !isSameMinor(built, version)) {
    const told = built === undefined ? "no version" : formatVersion(built);
    throw new BuildError(`the ${name} built from its Go module tells ${told}`);
  }
  await rename(unfinished, path);
  return path;
}

/** These flags are part of the key of Go's build cache: whoever warms it must use the same. */
function linkerFlags(name: BinaryName, version: Version): string {
  const variables = Object.entries(versionVariables(binarySources[name], version));
  return ["-s -w", ...variables.map(([variable, value]) => `-X ${variable}=${value}`)].join(" ");
}

/** For a program whose own source does not say which version it is. */
function versionVariables(
  { folder, module }: BinarySource,
  version: Version,
): Readonly<Record<string, string>> {
  switch (folder) {
    case "kubernetes":
      return {
        "k8s.io/component-base/version.gitVersion": formatVersion(version),
        "k8s.io/component-base/version.gitMajor": String(version.major),
        "k8s.io/component-base/version.gitMinor": String(version.minor),
      };
    case "helm":
      return { [`${module}/internal/version.version`]: formatVersion(version) };
    case "etcd":
    case "nats-server":
    case "kstatus":
      return {};
    default:
      return folder satisfies never;
  }
}

function buildEnvironment(env: NodeJS.ProcessEnv, goTmp: string): Record<string, string> {
  const given = Object.entries(env).filter((entry): entry is [string, string] => {
    return entry[1] !== undefined;
  });
  // GOWORK: a workspace of the user's around this repository is not about these modules.
  return { ...Object.fromEntries(given), CGO_ENABLED: "0", GOWORK: "off", GOTMPDIR: goTmp };
}

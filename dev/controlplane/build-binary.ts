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
  const strip = "-s -w";
  if (binarySources[name].folder !== "kubernetes") return strip;
  const variable = "k8s.io/component-base/version";
  return [
    strip,
    `-X ${variable}.gitVersion=${formatVersion(version)}`,
    `-X ${variable}.gitMajor=${version.major}`,
    `-X ${variable}.gitMinor=${version.minor}`,
  ].join(" ");
}

function buildEnvironment(env: NodeJS.ProcessEnv, goTmp: string): Record<string, string> {
  const given = Object.entries(env).filter((entry): entry is [string, string] => {
    return entry[1] !== undefined;
  });
  // GOWORK: a workspace of the user's around this repository is not about these modules.
  return { ...Object.fromEntries(given), CGO_ENABLED: "0", GOWORK: "off", GOTMPDIR: goTmp };
}

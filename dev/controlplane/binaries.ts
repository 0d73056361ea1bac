import { delimiter } from "node:path";

import { buildBinary } from "./build-binary.ts";
import { cachedPath, findBinary, findOnPath } from "./find-binary.ts";
import type { Guardian } from "./guard.ts";
import {
  binaryNames,
  binarySources,
  formatVersion,
  pinnedModule,
  type BinaryName,
  type ControlPlaneBinary,
  type PinnedModule,
  type TestTool,
} from "./versions.ts";

/** The path of each program of the control plane. */
export type Binaries = Readonly<Record<ControlPlaneBinary, string>>;

export interface BinariesContext {
  readonly guardian: Guardian;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Gets a line before and after each build. */
  readonly progress: (line: string) => void;
}

/** Some binaries are missing and there is no Go to build them. */
export class MissingBinariesError extends Error {
  override readonly name = "MissingBinariesError";
}

interface Missing {
  readonly name: BinaryName;
  readonly pinned: PinnedModule;
  readonly rejected: readonly string[];
}

/** Finds every binary of the control plane, building into the cache those that are nowhere. */
export async function ensureBinaries(context: BinariesContext): Promise<Binaries> {
  const pathOf = await ensureAll(binaryNames, context);
  return {
    etcd: pathOf("etcd"),
    "nats-server": pathOf("nats-server"),
    "kube-apiserver": pathOf("kube-apiserver"),
    "kube-controller-manager": pathOf("kube-controller-manager"),
    kubectl: pathOf("kubectl"),
  };
}

/** Finds a program that only tests need, or builds it into the cache. */
export async function ensureTestTool(name: TestTool, context: BinariesContext): Promise<string> {
  return (await ensureAll([name], context))(name);
}

async function ensureAll<Name extends BinaryName>(
  names: readonly Name[],
  context: BinariesContext,
): Promise<(name: Name) => string> {
  const searched = await Promise.all(
    names.map(async (name) => {
      const pinned = await pinnedModule(binarySources[name]);
      return { name, pinned, ...(await findBinary(name, pinned.version, context)) };
    }),
  );
  const missing = searched.filter((each) => each.path === undefined);
  const built = await buildAll(missing, context);
  return (name) => {
    const path = built.get(name) ?? searched.find((each) => each.name === name)?.path;
    if (path === undefined) throw new Error(`${name} was neither found nor built`);
    return path;
  };
}

async function buildAll(
  missing: readonly Missing[],
  context: BinariesContext,
): Promise<ReadonlyMap<BinaryName, string>> {
  const built = new Map<BinaryName, string>();
  if (missing.length === 0) return built;
  const go = await findOnPath("go", context.env);
  if (go === undefined) throw new MissingBinariesError(explain(missing, context.env));
  // One after another: each build uses all processors, and the later ones use what the earlier made.
  for (const { name, pinned } of missing) {
    const label = `${name} ${formatVersion(pinned.version)}`;
    const { buildTime } = binarySources[name];
    context.progress(
      `building ${label} from its Go module (about ${buildTime} on 2 cores, once)...`,
    );
    const start = performance.now();
    built.set(name, await buildBinary(name, pinned.version, { ...context, go }));
    context.progress(`built ${label} in ${formatDuration(performance.now() - start)}`);
  }
  return built;
}

export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function explain(missing: readonly Missing[], env: NodeJS.ProcessEnv): string {
  const wanted = missing.map(({ name, pinned }) => `${name} ${minorOf(pinned)}`);
  const rejected = missing.flatMap((each) => each.rejected.map((reason) => `  ${reason}`));
  const go = newestGo(missing.map((each) => each.pinned.goVersion));
  const caches = missing.map(({ name, pinned }) => cachedPath(name, pinned.version, env));
  return [
    "Programs that are needed are missing, and there is no `go` on PATH to build them.",
    `Missing: ${wanted.join(", ")}.`,
    `Looked in KUBEBUILDER_ASSETS (${env["KUBEBUILDER_ASSETS"] || "not set"}), on PATH and for`,
    ...caches.map((path) => `  ${path}`),
    ...(rejected.length === 0 ? [] : ["Found, but of another version:", ...rejected]),
    `Install Go ${go} or newer (https://go.dev/dl/): they are then built once.`,
    "Or set KUBEBUILDER_ASSETS to a directory that holds them (separate directories: use PATH, " +
      `with "${delimiter}" between them).`,
  ].join("\n");
}

function minorOf({ version }: PinnedModule): string {
  return `v${version.major}.${version.minor}`;
}

function newestGo(versions: readonly string[]): string {
  const byNumber = new Intl.Collator("en", { numeric: true });
  return versions.toSorted((one, other) => byNumber.compare(other, one))[0] ?? "";
}

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The programs of the control plane, in the order in which they are built. */
export const binaryNames = [
  "etcd",
  "nats-server",
  "kube-apiserver",
  "kube-controller-manager",
  "kubectl",
] as const;

/** What tests use beside the control plane; nothing else builds these. */
export const testToolNames = ["kstatus", "helm"] as const;

export type ControlPlaneBinary = (typeof binaryNames)[number];
export type TestTool = (typeof testToolNames)[number];
export type BinaryName = ControlPlaneBinary | TestTool;

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

export interface BinarySource {
  /** The folder under `go/` whose go.mod pins the version. */
  readonly folder: "etcd" | "nats-server" | "kubernetes" | "kstatus" | "helm";
  /** The module that the version is of. */
  readonly module: string;
  /** The main package. */
  readonly package: string;
  readonly versionArgs: readonly string[];
  /** Finds the version in what the program prints. */
  readonly versionPattern: RegExp;
  /** How long a first build takes on 2 cores, with cold caches; for the progress line only. */
  readonly buildTime: string;
}

const kubernetes = {
  folder: "kubernetes",
  module: "k8s.io/kubernetes",
  versionArgs: ["--version"],
  versionPattern: /^Kubernetes v(\d+)\.(\d+)\.(\d+)/,
} as const;

export const binarySources: Readonly<Record<BinaryName, BinarySource>> = {
  etcd: {
    folder: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    package: "go.etcd.io/etcd/server/v3",
    versionArgs: ["--version"],
    versionPattern: /^etcd Version: (\d+)\.(\d+)\.(\d+)/,
    buildTime: "1 min",
  },
  "nats-server": {
    folder: "nats-server",
    module: "github.com/nats-io/nats-server/v2",
    package: "github.com/nats-io/nats-server/v2",
    versionArgs: ["--version"],
    versionPattern: /^nats-server: v(\d+)\.(\d+)\.(\d+)/,
    buildTime: "1 min",
  },
  "kube-apiserver": { ...kubernetes, package: "./kube-apiserver", buildTime: "4 to 9 min" },
  "kube-controller-manager": {
    ...kubernetes,
    package: "./kube-controller-manager",
    buildTime: "2 min",
  },
  kubectl: {
    ...kubernetes,
    package: "./kubectl",
    versionArgs: ["version", "--client", "-o", "json"],
    versionPattern: /"gitVersion": *"v(\d+)\.(\d+)\.(\d+)/,
    buildTime: "1 min",
  },
  kstatus: {
    folder: "kstatus",
    module: "github.com/fluxcd/cli-utils",
    package: ".",
    versionArgs: ["--version"],
    versionPattern: /^kstatus v(\d+)\.(\d+)\.(\d+)/,
    buildTime: "1 min",
  },
  helm: {
    folder: "helm",
    module: "helm.sh/helm/v4",
    package: "helm.sh/helm/v4/cmd/helm",
    versionArgs: ["version", "--template", "{{.Version}}"],
    versionPattern: /^v(\d+)\.(\d+)\.(\d+)/,
    buildTime: "4 min",
  },
};

export interface PinnedModule {
  readonly version: Version;
  /** The go directive: the oldest Go that can build the module. */
  readonly goVersion: string;
}

/** Where the go.mod of a binary is. */
export function moduleDirectory(source: BinarySource): string {
  return fileURLToPath(new URL(`./go/${source.folder}`, import.meta.url));
}

/** The version that the repository pins: the go.mod files are its only source. */
export async function pinnedModule(source: BinarySource): Promise<PinnedModule> {
  const path = `${moduleDirectory(source)}/go.mod`;
  return parseGoMod(await readFile(path, "utf8"), source.module);
}

export function parseGoMod(text: string, module: string): PinnedModule {
  const goVersion = /^go (\S+)$/m.exec(text)?.[1];
  const line = text
    .split("\n")
    .map((each) => each.replace(/^require/, "").trim())
    .find((each) => each.startsWith(`${module} v`));
  const version = parseVersion(line ?? "", / v(\d+)\.(\d+)\.(\d+)/);
  if (goVersion === undefined || version === undefined) {
    throw new Error(`go.mod does not pin ${module}`);
  }
  return { version, goVersion };
}

export function parseVersion(text: string, pattern: RegExp): Version | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
}

export function formatVersion(version: Version): string {
  return `v${version.major}.${version.minor}.${version.patch}`;
}

export function isSameMinor(one: Version, other: Version): boolean {
  return one.major === other.major && one.minor === other.minor;
}

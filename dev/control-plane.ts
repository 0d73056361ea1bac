/** The command `npm run controlplane`: a local control plane until Ctrl-C. */
import { dirname } from "node:path";
import { parseArgs } from "node:util";

import { crdDirectory } from "./controlplane/apply-crds.ts";
import { ensureBinaries, formatDuration } from "./controlplane/binaries.ts";
import { startControlPlane, type ControlPlane } from "./controlplane/control-plane.ts";
import { startGuardian } from "./controlplane/guard.ts";
import { kubectlEnvironment } from "./controlplane/kubectl-environment.ts";
import { abortable } from "./controlplane/waiting.ts";
import { Interrupted, interruption } from "./interruption.ts";

const usage = `Usage: npm run controlplane [-- options]

Runs etcd, kube-apiserver, kube-controller-manager and nats-server (with TLS, and new keys for a fleet) on
free ports of 127.0.0.1, with the kinds of crds/, until Ctrl-C; then everything is gone. Programs that are neither in
KUBEBUILDER_ASSETS nor on PATH in the pinned version are built once, with Go, into
\${XDG_CACHE_HOME:-~/.cache}/steward/controlplane.

  --build-only     build the programs that are missing, and end
  --no-crds        leave the kinds of crds/ out
  --insecure-nats  a nats-server without TLS that lets anybody do anything
  --no-fsync       quicker; data may be lost if the machine (not a process) crashes
  --help           this text
`;

interface Options {
  readonly help: boolean;
  readonly buildOnly: boolean;
  readonly crds: boolean;
  readonly fsync: boolean;
  readonly insecureNats: boolean;
}

function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      "build-only": { type: "boolean", default: false },
      crds: { type: "boolean", default: true },
      fsync: { type: "boolean", default: true },
      "insecure-nats": { type: "boolean", default: false },
    },
    allowNegative: true,
  });
  const { help, crds, fsync } = values;
  const insecureNats = values["insecure-nats"];
  return { help, buildOnly: values["build-only"], crds, fsync, insecureNats };
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function buildOnly(signal: AbortSignal): Promise<void> {
  await using guardian = await startGuardian();
  const binaries = await ensureBinaries({ guardian, env: process.env, signal, progress });
  for (const path of Object.values(binaries)) process.stdout.write(`${path}\n`);
}

async function serve(options: Options, controller: AbortController): Promise<void> {
  const { signal } = controller;
  const start = performance.now();
  progress("starting the control plane...");
  await using plane = await startControlPlane({
    signal,
    progress,
    fsync: options.fsync,
    insecureNats: options.insecureNats,
    ...(options.crds ? { crds: crdDirectory } : {}),
    onUnexpectedExit: (error) => controller.abort(error),
  });
  progress(`ready in ${formatDuration(performance.now() - start)}; logs in ${plane.dir}/log`);
  process.stdout.write(`${describe(plane)}\n`);
  progress("Ctrl-C ends it and removes everything.");
  await abortable(new Promise<never>(() => undefined), signal);
}

function describe(plane: ControlPlane): string {
  const { KUBECONFIG, KUBECACHEDIR } = kubectlEnvironment(plane);
  return [
    `Kubernetes  ${plane.server}`,
    `kubeconfig  ${plane.kubeconfigPath}`,
    `NATS        ${plane.natsUrl}`,
    ...(plane.keysDir === undefined ? [] : [`keys        ${plane.keysDir}`]),
    "",
    "In another shell:",
    `export KUBECONFIG=${KUBECONFIG} KUBECACHEDIR=${KUBECACHEDIR} NATS_URL=${plane.natsUrl}`,
    `export PATH=${dirname(plane.binaries.kubectl)}:$PATH`,
  ].join("\n");
}

async function main(): Promise<number> {
  const controller = interruption();
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options.help) process.stdout.write(usage);
    else if (options.buildOnly) await buildOnly(controller.signal);
    else await serve(options, controller);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    progress(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

process.exitCode = await main();

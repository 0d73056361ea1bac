import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { applyCrds } from "./apply-crds.ts";
import { ensureBinaries, type Binaries } from "./binaries.ts";
import {
  startComponent,
  type Component,
  type ComponentContext,
  type ComponentExitedError,
} from "./component.ts";
import { writeCredentials, type Credentials, type TokenUser } from "./credentials.ts";
import { etcdSpec } from "./etcd.ts";
import { startGuardian, type Guardian } from "./guard.ts";
import { apiServerCa, apiServerSpec, apiServerUrl } from "./kube-apiserver.ts";
import { controllerManagerSpec } from "./kube-controller-manager.ts";
import { keysDirectory, writeKeySets } from "./keys.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { natsConfigPath, natsServerSpec, natsUrl } from "./nats-server.ts";
import { probeHttp } from "./probes.ts";
import { until } from "./waiting.ts";

export interface ControlPlaneOptions {
  /** Known to the API server beside the administrator, with no rights but what RBAC gives them. */
  readonly users?: readonly TokenUser[];
  /** Whether etcd waits for the disk; true unless told. False is safe against killed processes. */
  readonly fsync?: boolean;
  /** A directory of CustomResourceDefinitions to apply, `crdDirectory` for this repository's. */
  readonly crds?: string;
  readonly apiServerArgs?: readonly string[];
  /** More configuration of nats-server, in its own format. */
  readonly natsConfig?: string;
  /** Without TLS, and whoever comes may do anything. False unless told. */
  readonly insecureNats?: boolean;
  /** Aborts the start; everything is then removed. Later it has no effect on the control plane. */
  readonly signal?: AbortSignal;
  /** Gets a line about each binary that is built; standard error unless told. */
  readonly progress?: (line: string) => void;
  /** Told when a component ends though nobody asked it to. */
  readonly onUnexpectedExit?: (error: ComponentExitedError) => void;
  /** Where binaries are looked for; `process.env` unless told. */
  readonly env?: NodeJS.ProcessEnv;
}

interface Components {
  readonly etcd: Component<"etcd">;
  readonly "kube-apiserver": Component<"kube-apiserver">;
  readonly "kube-controller-manager": Component<"kube-controller-manager">;
  readonly "nats-server": Component<"nats-server">;
}

/** A running control plane. `dispose` ends its processes and removes its files; it is idempotent. */
export interface ControlPlane extends AsyncDisposable {
  /** Everything that it writes is in here. */
  readonly dir: string;
  readonly server: string;
  /** The authority of the API server; PEM. */
  readonly ca: string;
  readonly adminToken: string;
  /** Of the administrator. */
  readonly kubeconfigPath: string;
  /** Writes a kubeconfig for one of the `users`, or for a service account's token. */
  writeKubeconfig(user: Pick<TokenUser, "user" | "token">): Promise<string>;
  readonly natsUrl: string;
  readonly natsPort: number;
  readonly natsConfigPath: string;
  /** The directories `identity`, `controller`, `nats` and `enrollment` with the keys of the fleet; none if insecure. */
  readonly keysDir: string | undefined;
  readonly binaries: Binaries;
  readonly components: Components;
}

/** A nats-server alone. */
export interface NatsServer extends AsyncDisposable {
  readonly dir: string;
  readonly url: string;
  readonly configPath: string;
  /** As of a control plane. */
  readonly keysDir: string | undefined;
  readonly component: Component<"nats-server">;
}

interface Context extends ComponentContext {
  readonly options: ControlPlaneOptions;
  readonly binaries: Binaries;
}

/**
 * Starts etcd, kube-apiserver, kube-controller-manager and nats-server on free ports of 127.0.0.1, and
 * waits until each is ready. When it fails or is aborted nothing is left; when this process dies, neither.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  await using stack = new AsyncDisposableStack();
  const context = await prepare(stack, options);
  const { guardian, binaries } = context;
  const credentials = await writeCredentials(guardian.dir, options.users ?? []);
  const starting = [startKubernetes(context, credentials), startNats(context)] as const;
  // Both must be over before the directory is removed: either writes into it.
  await Promise.allSettled(starting);
  const [kubernetes, nats] = await Promise.all(starting);
  const running = stack.move();
  return {
    dir: guardian.dir,
    ...kubernetes.access,
    adminToken: credentials.adminToken,
    natsUrl: nats.url,
    natsPort: nats.component.port,
    natsConfigPath: nats.configPath,
    keysDir: nats.keysDir,
    binaries,
    components: { ...kubernetes.components, "nats-server": nats.component },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Starts a nats-server alone, with JetStream; for the rest as `startControlPlane`. */
export async function startNatsServer(options: ControlPlaneOptions = {}): Promise<NatsServer> {
  await using stack = new AsyncDisposableStack();
  const context = await prepare(stack, options);
  const nats = await startNats(context);
  const running = stack.move();
  return {
    dir: context.guardian.dir,
    ...nats,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function prepare(
  stack: AsyncDisposableStack,
  options: ControlPlaneOptions,
): Promise<Context> {
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();
  const guardian = stack.use(await startGuardian());
  const binaries = await ensureBinaries({
    guardian,
    signal,
    env: options.env ?? process.env,
    progress: options.progress ?? ((line) => void process.stderr.write(`${line}\n`)),
  });
  const onUnexpectedExit = options.onUnexpectedExit ?? (() => undefined);
  return { guardian, signal, binaries, onUnexpectedExit, options };
}

async function startNats(
  context: Context,
): Promise<Omit<NatsServer, "dir" | keyof AsyncDisposable>> {
  const { dir } = context.guardian;
  const { natsConfig = "", insecureNats = false } = context.options;
  const keysDir = insecureNats ? undefined : keysDirectory(dir);
  if (keysDir !== undefined) await writeKeySets(keysDir);
  const spec = await natsServerSpec({
    executable: context.binaries["nats-server"],
    dir,
    keysDir,
    extraConfig: natsConfig,
  });
  const component = await startComponent(spec, context);
  const url = natsUrl(component.port, keysDir);
  if (keysDir !== undefined) await writeKeySets(keysDir, [url]);
  return { url, configPath: natsConfigPath(dir), keysDir, component };
}

type KubernetesAccess = Pick<ControlPlane, "server" | "ca" | "kubeconfigPath" | "writeKubeconfig">;

interface Kubernetes {
  readonly access: KubernetesAccess;
  readonly components: Omit<Components, "nats-server">;
}

async function startKubernetes(context: Context, credentials: Credentials): Promise<Kubernetes> {
  const { guardian, binaries, options } = context;
  const { dir } = guardian;
  const etcd = await startComponent(
    etcdSpec({ executable: binaries.etcd, dir, fsync: options.fsync ?? true }),
    context,
  );
  const apiServer = await startComponent(
    apiServerSpec({
      executable: binaries["kube-apiserver"],
      dir,
      etcdPort: etcd.port,
      credentials,
      extraArgs: options.apiServerArgs ?? [],
    }),
    context,
  );
  const access = await writeAccess(guardian, apiServer.port, credentials);
  const controllerManager = await startComponent(
    controllerManagerSpec({
      executable: binaries["kube-controller-manager"],
      dir,
      kubeconfigPath: access.kubeconfigPath,
      credentials,
    }),
    context,
  );
  if (options.crds !== undefined) {
    const executable = binaries.kubectl;
    await applyCrds(options.crds, {
      ...context,
      executable,
      kubeconfigPath: access.kubeconfigPath,
    });
  }
  await until(() => hasDefaultServiceAccount(access, credentials, context.signal), context.signal);
  return {
    access,
    components: {
      etcd,
      "kube-apiserver": apiServer,
      "kube-controller-manager": controllerManager,
    },
  };
}

async function writeAccess(
  guardian: Guardian,
  port: number,
  credentials: Credentials,
): Promise<KubernetesAccess> {
  const server = apiServerUrl(port);
  const ca = await apiServerCa(guardian.dir);
  const directory = join(guardian.dir, "kubeconfig");
  await mkdir(directory, { mode: 0o700 });
  const writeKubeconfig = async (user: Pick<TokenUser, "user" | "token">): Promise<string> => {
    const path = join(directory, `${encodeURIComponent(user.user)}.yaml`);
    await writeFile(path, kubeconfig({ server, ca, ...user }), { mode: 0o600 });
    return path;
  };
  const kubeconfigPath = await writeKubeconfig({ user: "admin", token: credentials.adminToken });
  return { server, ca, kubeconfigPath, writeKubeconfig };
}

/** The first visible work of the controller manager, in the first namespace: from here on all is there. */
async function hasDefaultServiceAccount(
  { server, ca }: KubernetesAccess,
  { adminToken }: Credentials,
  signal: AbortSignal,
): Promise<boolean> {
  const url = `${server}/api/v1/namespaces/default/serviceaccounts/default`;
  return (await probeHttp({ url, ca, token: adminToken, signal })) !== undefined;
}

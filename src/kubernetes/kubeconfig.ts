import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { KubeconfigError } from "./transport-error.ts";

type Pem = string | Buffer;

/** What a TLS connection to the cluster needs; all of it is compared by value to notice a rotation. */
export interface TlsMaterial {
  readonly ca?: Pem;
  readonly cert?: Pem;
  readonly key?: Pem;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
}

/** Where the cluster is. Fixed at the start: a later change of context must not move a running process. */
export interface ClusterAddress {
  readonly context: string;
  readonly server: string;
  readonly proxyUrl?: string;
  readonly namespace: string;
}

/**
 * One reading of the kubeconfig: the file at `path` or, without one, what kubectl would take (KUBECONFIG,
 * `~/.kube/config`), and else the service account of the pod. Throws KubeconfigError.
 */
export function readKubeconfig(path: string | undefined, context?: string): KubeConfig {
  const config = new KubeConfig();
  try {
    if (path === undefined) config.loadFromDefault();
    else config.loadFromFile(path);
  } catch (cause) {
    throw new KubeconfigError(`cannot read the kubeconfig ${path ?? ""}`.trim(), { cause });
  }
  if (context !== undefined) config.setCurrentContext(context);
  if (config.getCurrentCluster() === null || config.getCurrentUser() === null) {
    const name = config.getCurrentContext();
    throw new KubeconfigError(`the kubeconfig has no cluster and user for its context ${name}`);
  }
  return config;
}

export function clusterAddressOf(config: KubeConfig): ClusterAddress {
  const cluster = config.getCurrentCluster();
  const context = config.getCurrentContext();
  if (cluster === null) throw new KubeconfigError(`the context ${context} has no cluster`);
  // The namespace file of a pod may end in a newline.
  const namespace = config.getContextObject(context)?.namespace?.trim() ?? "";
  return {
    context,
    server: cluster.server,
    namespace: namespace === "" ? "default" : namespace,
    ...(cluster.proxyUrl ? { proxyUrl: cluster.proxyUrl } : {}),
  };
}

/**
 * Whether the user's credentials come from a program or an identity provider: these are cached inside
 * the KubeConfig until they expire, so a new one means running the program again.
 */
export function usesPlugin(config: KubeConfig): boolean {
  const user = config.getCurrentUser();
  return (
    Boolean(user?.exec) || Boolean(user?.authProvider && user.authProvider.name !== "tokenFile")
  );
}

/** Reads certificate and token files, runs exec plugins. Throws KubeconfigError. */
export async function credentialsFrom(config: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = { headers: {} };
  try {
    await config.applyToHTTPSOptions(options);
  } catch (cause) {
    throw new KubeconfigError("cannot get the credentials of the kubeconfig", { cause });
  }
  const headers = headersOf(options);
  if (lacksToken(config, headers)) throw new KubeconfigError("the token file is empty");
  return { headers, tls: tlsOf(options) };
}

/**
 * A token file that is empty while somebody writes it. client-node then sends no token at all, which a
 * server that knows anonymous users answers with 403, so that nobody would look at the file again.
 */
function lacksToken(config: KubeConfig, headers: Readonly<Record<string, string>>): boolean {
  const provider = config.getCurrentUser()?.authProvider?.name;
  return provider === "tokenFile" && !/^Bearer ./.test(headers["authorization"] ?? "");
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    // Token files may end in a newline, which no header may hold.
    if (value !== undefined) headers[name.toLowerCase()] = String(value).trim();
  }
  if (typeof options.auth === "string") {
    headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  }
  return headers;
}

function tlsOf(options: RequestOptions): TlsMaterial {
  return {
    ...(isPem(options.ca) ? { ca: options.ca } : {}),
    ...(isPem(options.cert) ? { cert: options.cert } : {}),
    ...(isPem(options.key) ? { key: options.key } : {}),
    ...(options.servername ? { servername: options.servername } : {}),
    ...(options.rejectUnauthorized === false ? { rejectUnauthorized: false } : {}),
  };
}

function isPem(value: unknown): value is Pem {
  return typeof value === "string" || Buffer.isBuffer(value);
}

export function sameTls(left: TlsMaterial, right: TlsMaterial): boolean {
  return (
    samePem(left.ca, right.ca) &&
    samePem(left.cert, right.cert) &&
    samePem(left.key, right.key) &&
    left.servername === right.servername &&
    left.rejectUnauthorized === right.rejectUnauthorized
  );
}

function samePem(left: Pem | undefined, right: Pem | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return Buffer.from(left).equals(Buffer.from(right));
}

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { objectKey } from "../../../../src/api/meta.ts";
import { createTransport, type Transport } from "../../../../src/kubernetes/transport.ts";
import { systemClock, type Clock } from "../../../../src/runtime/clock.ts";
import { kubeconfig } from "../../../../dev/controlplane/kubeconfig.ts";
import { makeCertificate } from "../../../support/certificate.ts";
import type { Cluster } from "../../../support/control-plane.ts";
import { FaultProxy, type ProxiedRequest } from "../../../support/fault-proxy.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";
import { TcpProxy } from "../../../support/tcp-proxy.ts";
import { WaitingClock } from "../../../support/waiting-clock.ts";
import { follow, must, type Watching, type Widget } from "../world.ts";

export const forever = new AbortController().signal;

/** The certificate and the token files of a client, and where they are. */
interface Files {
  readonly directory: string;
  readonly caFile: string;
  readonly tokenFile: string;
}

export interface Path extends AsyncDisposable, Files {
  /** In front of the API server; every request passes it and is counted. */
  readonly proxy: FaultProxy;
  /** In front of the proxy. */
  readonly tcp: TcpProxy;
  readonly transport: Transport;
}

interface PathOptions {
  /** Of the transport: its time-outs and watchdogs. */
  readonly clock?: Clock;
  /** The administrator's unless told. */
  readonly token?: string;
}

/** A transport that reaches the API server through our two proxies, credentials in files as in a pod. */
export async function openPath(cluster: Cluster, options: PathOptions = {}): Promise<Path> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "steward-faults-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const certificate = await makeCertificate(directory, "first");
  const { token, ...upstream } = accessOf(await readFile(cluster.kubeconfigPath, "utf8"));
  const proxy = stack.use(await FaultProxy.start({ certificate, upstream }));
  const tcp = stack.use(await TcpProxy.start(proxy.port));
  const files = {
    directory,
    caFile: join(directory, "ca.crt"),
    tokenFile: join(directory, "token"),
  };
  await writeFile(files.caFile, certificate.cert);
  await writeFile(files.tokenFile, `${options.token ?? token}\n`);
  const transport = stack.use(
    await createTransport({
      kubeconfigPath: await writeConfig(files, tcp.port),
      logger: new RecordingLogger(),
      clock: options.clock ?? systemClock,
    }),
  );
  const open = stack.move();
  return {
    ...files,
    proxy,
    tcp,
    transport,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** What a kubeconfig of a control plane has embedded. */
function accessOf(text: string): { server: string; ca: string; token: string } {
  const field = (name: string): string => {
    const found = new RegExp(`${name}: "?([^"\\n]+)"?`).exec(text)?.[1];
    if (found === undefined) throw new Error(`the kubeconfig has no ${name}`);
    return found;
  };
  const ca = Buffer.from(field("certificate-authority-data"), "base64").toString();
  return { server: field("server"), ca, token: field("token") };
}

/** A kubeconfig (JSON is YAML) in the form that client-node gives a pod's service account. */
async function writeConfig({ directory, caFile, tokenFile }: Files, port: number): Promise<string> {
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    "certificate-authority": caFile,
  };
  const user = { "auth-provider": { name: "tokenFile", config: { tokenFile } } };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "pod",
    clusters: [{ name: "pod", cluster }],
    contexts: [{ name: "pod", context: { cluster: "pod", user: "pod" } }],
    users: [{ name: "pod", user }],
  };
  const path = join(directory, "kubeconfig");
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** Whether the API server, asked past the proxies, knows whose token this is. */
export async function isKnown(
  cluster: Cluster,
  directory: string,
  token: string,
): Promise<boolean> {
  const access = accessOf(await readFile(cluster.kubeconfigPath, "utf8"));
  const kubeconfigPath = join(directory, "other-kubeconfig");
  await writeFile(kubeconfigPath, kubeconfig({ ...access, user: "other", token }));
  const { code, stderr } = await cluster.kubectl(["auth", "whoami"], { kubeconfigPath });
  if (code !== 0 && !/unauthorized|logged in/i.test(stderr)) throw new Error(stderr);
  return code === 0;
}

/**
 * What was asked for: `stream` a streaming list, `watch` one that goes on from somewhere, `page` of a list,
 * else the method. With the status where that is no success.
 */
export function asked({ requests }: FaultProxy): string[] {
  return requests.map((request) => {
    const { status } = request;
    const failed = status !== undefined && status >= 400;
    return failed ? `${kindOf(request)} ${status}` : kindOf(request);
  });
}

function kindOf({ method, query, path }: ProxiedRequest): string {
  if (query.get("sendInitialEvents") === "true") return "stream";
  if (query.get("watch") === "true") return "watch";
  return method === "GET" && path.endsWith("/widgets") ? "page" : method;
}

/** How a namespace is followed in these tests: back-offs take no time, up to what `clock` is allowed. */
export function followPatiently(
  transport: Transport,
  namespace: string,
  onChange?: Parameters<typeof follow>[0]["onChange"],
): Watching & { readonly clock: WaitingClock } {
  const clock = new WaitingClock();
  const handler = onChange === undefined ? {} : { onChange };
  return Object.assign(follow({ transport, namespace, clock, ...handler }), { clock });
}

type Versions = Readonly<Record<string, string>>;

/** Key to `uid@resourceVersion`, from one unpaged list that nothing of ours has touched. */
async function listed(cluster: Cluster, namespace: string): Promise<Versions> {
  const path = `/apis/test.steward.dev/v1/namespaces/${namespace}/widgets`;
  const { items } = JSON.parse(await must(cluster, ["get", "--raw", path])) as {
    items: readonly Widget[];
  };
  return versionsOf(items);
}

function versionsOf(objects: Iterable<Widget>): Versions {
  const entries = [...objects].map(({ metadata }) => {
    return [objectKey(metadata), `${metadata.uid}@${metadata.resourceVersion}`] as const;
  });
  return Object.fromEntries(entries);
}

/** Waits until the cache, and what a follower of its changes believes, are what the API server has. */
export async function untilTrue(
  cluster: Cluster,
  { reflector, followed }: Watching,
  namespace: string,
): Promise<void> {
  const truth = await listed(cluster, namespace);
  const poll = { interval: 10, timeout: 40_000 };
  await expect.poll(() => versionsOf(reflector.list()), poll).toEqual(truth);
  expect(Object.fromEntries(followed)).toEqual(truth);
}

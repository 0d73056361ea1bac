import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { ComponentSpec } from "./component.ts";
import type { Credentials } from "./credentials.ts";
import { etcdUrl } from "./etcd.ts";
import { probeHttp } from "./probes.ts";

export interface ApiServerInput {
  readonly executable: string;
  readonly dir: string;
  readonly etcdPort: number;
  readonly credentials: Credentials;
  readonly extraArgs: readonly string[];
}

export function apiServerUrl(port: number): string {
  return `https://127.0.0.1:${port}`;
}

function certDir(dir: string): string {
  return join(dir, "kube-apiserver");
}

/** The certificate that the server signed for itself at its first start, with its authority; PEM. */
export async function apiServerCa(dir: string): Promise<string> {
  return readFile(apiServerCaFile(dir), "utf8");
}

export function apiServerCaFile(dir: string): string {
  return join(certDir(dir), "apiserver.crt");
}

export function apiServerSpec(input: ApiServerInput): ComponentSpec<"kube-apiserver"> {
  const { executable, dir, etcdPort, credentials, extraArgs } = input;
  return {
    name: "kube-apiserver",
    executable,
    args: (port) => [
      `--etcd-servers=${etcdUrl(etcdPort)}`,
      "--bind-address=127.0.0.1",
      // Else it looks for a default route, which a machine off the network has not.
      "--advertise-address=127.0.0.1",
      `--secure-port=${port}`,
      `--cert-dir=${certDir(dir)}`,
      `--token-auth-file=${credentials.tokenFile}`,
      "--anonymous-auth=false",
      "--authorization-mode=RBAC",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${credentials.serviceAccountPublicKeyFile}`,
      `--service-account-signing-key-file=${credentials.serviceAccountPrivateKeyFile}`,
      "--service-cluster-ip-range=10.0.0.0/24",
      // Nobody reaches it at the address of the `kubernetes` service.
      "--endpoint-reconciler-type=none",
      "--profiling=false",
      ...extraArgs,
    ],
    // Its key is in the certificate directory of this run: a stranger cannot pass for it.
    isReady: async (port, signal) => {
      const ca = await apiServerCa(dir).catch(() => undefined);
      if (ca === undefined) return false;
      const url = `${apiServerUrl(port)}/readyz`;
      return (await probeHttp({ url, ca, token: credentials.adminToken, signal })) !== undefined;
    },
  };
}

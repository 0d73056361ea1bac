import { readFile } from "node:fs/promises";
import { join } from "node:path";

import type { ComponentSpec } from "./component.ts";
import type { Credentials } from "./credentials.ts";
import { apiServerCaFile } from "./kube-apiserver.ts";
import { probeHttp } from "./probes.ts";

export interface ControllerManagerInput {
  readonly executable: string;
  readonly dir: string;
  readonly kubeconfigPath: string;
  readonly credentials: Credentials;
}

/** What clients of the API notice; nothing that is about pods, nodes or networks. */
const controllers = [
  "garbage-collector-controller",
  "namespace-controller",
  "clusterrole-aggregation-controller",
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "root-ca-certificate-publisher-controller",
];

export function controllerManagerSpec(
  input: ControllerManagerInput,
): ComponentSpec<"kube-controller-manager"> {
  const { executable, dir, kubeconfigPath, credentials } = input;
  const certDir = join(dir, "kube-controller-manager");
  return {
    name: "kube-controller-manager",
    executable,
    args: (port) => [
      `--kubeconfig=${kubeconfigPath}`,
      `--controllers=${controllers.join(",")}`,
      "--leader-elect=false",
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--cert-dir=${certDir}`,
      `--root-ca-file=${apiServerCaFile(dir)}`,
      `--service-account-private-key-file=${credentials.serviceAccountPrivateKeyFile}`,
      // It is the only client that is not looked at: tests delete many namespaces at once.
      "--kube-api-qps=200",
      "--kube-api-burst=400",
      "--profiling=false",
    ],
    // Its key is in the certificate directory of this run: a stranger cannot pass for it.
    isReady: async (port, signal) => {
      const path = join(certDir, "kube-controller-manager.crt");
      const ca = await readFile(path, "utf8").catch(() => undefined);
      if (ca === undefined) return false;
      return (
        (await probeHttp({ url: `https://127.0.0.1:${port}/healthz`, ca, signal })) !== undefined
      );
    },
  };
}

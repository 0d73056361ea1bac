import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { ControlPlane } from "../../dev/controlplane/control-plane.ts";
import { kubeconfig } from "../../dev/controlplane/kubeconfig.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";
import { makeCertificate } from "../support/certificate.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { Link, type LinkOptions } from "./link.ts";
import type { OddClock } from "./odd-clock.ts";
import type { BrokerIdentity } from "./tls-ends.ts";
import { STEWARD, type Launch } from "./process.ts";

export interface PathsOptions {
  readonly name: string;
  readonly dir: string;
  readonly plane: ControlPlane;
  readonly broker: BrokerIdentity;
  readonly random: Random;
  readonly clock: Clock;
}

/** How one controller reaches the world: everything that it says and hears passes here. */
export interface ControllerPaths {
  readonly nats: Link;
  readonly api: Link;
  readonly apiFaults: FaultProxy;
  readonly kubeconfigPath: string;
}

export async function openPaths(
  { name, dir, plane, broker, random, clock }: PathsOptions,
  stack: AsyncDisposableStack,
): Promise<ControllerPaths> {
  const certificate = await makeCertificate(dir, name);
  const upstream = { server: plane.server, ca: plane.ca };
  const apiFaults = stack.use(await FaultProxy.start({ certificate, upstream }));
  const link = async (targetPort: number, protocol: LinkOptions["protocol"]): Promise<Link> =>
    stack.use(await Link.start({ targetPort, protocol, random, clock }));
  const api = await link(apiFaults.port, "opaque");
  const nats = await link(plane.natsPort, broker);
  const kubeconfigPath = join(dir, `${name}.kubeconfig`);
  const server = `https://127.0.0.1:${api.port}`;
  const access = { server, ca: certificate.cert, user: "admin", token: plane.adminToken };
  await writeFile(kubeconfigPath, kubeconfig(access), { mode: 0o600 });
  return { nats, api, apiFaults, kubeconfigPath };
}

export interface ControllerLaunch {
  readonly paths: ControllerPaths;
  readonly namespace: string;
  readonly keysDir: string;
  readonly oddClock: OddClock | undefined;
}

export function controllerLaunch({
  paths,
  namespace,
  keysDir,
  oddClock,
}: ControllerLaunch): Launch {
  const launch: Launch = {
    command: process.execPath,
    args: [
      STEWARD,
      "controller",
      "--kubeconfig",
      paths.kubeconfigPath,
      "--nats-url",
      `tls://127.0.0.1:${paths.nats.port}`,
      "--keys-dir",
      join(keysDir, "controller"),
      "--namespace",
      namespace,
      "--node-grace-period",
      "4s",
      "--http-host",
      "127.0.0.1",
      "--http-port",
      "0",
      "--log-level",
      "debug",
    ],
  };
  return oddClock?.odd(launch) ?? launch;
}

import { randomUUID } from "node:crypto";
import { join } from "node:path";

import type { ComponentSpec } from "./component.ts";
import { probeHttp } from "./probes.ts";

export interface EtcdInput {
  readonly executable: string;
  readonly dir: string;
  /** False is quicker, and loses nothing when processes are killed: only when the machine crashes. */
  readonly fsync: boolean;
}

export function etcdUrl(port: number): string {
  return `http://127.0.0.1:${port}`;
}

export function etcdSpec({ executable, dir, fsync }: EtcdInput): ComponentSpec<"etcd"> {
  // Known to this run only, and told by the member list: it proves whose etcd answers.
  const name = `steward-${randomUUID()}`;
  // A member alone needs no peers: any free port will do, and need not be told.
  const peer = "http://127.0.0.1:0";
  return {
    name: "etcd",
    executable,
    args: (port) => [
      `--name=${name}`,
      `--data-dir=${join(dir, "etcd")}`,
      `--listen-client-urls=${etcdUrl(port)}`,
      `--advertise-client-urls=${etcdUrl(port)}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=${name}=${peer}`,
      "--log-level=warn",
      ...(fsync ? [] : ["--unsafe-no-fsync"]),
    ],
    isReady: async (port, signal) => {
      const health = await probeHttp({ url: `${etcdUrl(port)}/health`, signal });
      if (health === undefined) return false;
      const url = `${etcdUrl(port)}/v3/cluster/member/list`;
      const members = await probeHttp({ url, body: "{}", signal });
      return members?.includes(`"${name}"`) ?? false;
    },
  };
}

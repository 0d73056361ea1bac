import { cp, rm } from "node:fs/promises";
import { join } from "node:path";

import type { ControlPlane } from "../../dev/controlplane/control-plane.ts";
import { etcdUrl } from "../../dev/controlplane/etcd.ts";

type Plane = Pick<ControlPlane, "dir" | "components">;

/**
 * A copy of etcd's data of one moment: it is stopped while it is copied, so that the copy is what a killed
 * etcd would have left, from which it recovers.
 */
export async function backUpEtcd({ dir, components }: Plane): Promise<string> {
  const copy = join(dir, "etcd-backup");
  await rm(copy, { recursive: true, force: true });
  await components.etcd.pause();
  try {
    await cp(join(dir, "etcd"), copy, { recursive: true });
  } finally {
    await components.etcd.resume();
  }
  return copy;
}

/** Puts the copy in the place of the data, with all of Kubernetes down, and starts it again on that. */
export async function restoreEtcd({ dir, components }: Plane, copy: string): Promise<void> {
  await components["kube-controller-manager"].kill9();
  await components["kube-apiserver"].kill9();
  await components.etcd.kill9();
  await rm(join(dir, "etcd"), { recursive: true, force: true });
  await cp(copy, join(dir, "etcd"), { recursive: true });
  await components.etcd.restart();
  await components["kube-apiserver"].restart();
  await components["kube-controller-manager"].restart();
}

/** Forgets all earlier revisions: whoever watches from one of them is told 410. */
export async function compactEtcd({ components }: Plane): Promise<void> {
  const url = etcdUrl(components.etcd.port);
  const header = await ask(`${url}/v3/kv/range`, { key: Buffer.from("/").toString("base64") });
  await ask(`${url}/v3/kv/compaction`, { revision: header.revision, physical: true });
}

async function ask(url: string, body: object): Promise<{ readonly revision?: string }> {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  const { header } = (await answer.json()) as { readonly header: { readonly revision?: string } };
  return header;
}

import { access, mkdtemp, readdir } from "node:fs/promises";
import { join } from "node:path";

import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { crdDirectory } from "../../../dev/controlplane/apply-crds.ts";
import type { ComponentExitedError } from "../../../dev/controlplane/component.ts";
import { connectClient } from "../../../dev/controlplane/nats-client.ts";
import { startNatsServer } from "../../../dev/controlplane/control-plane.ts";
import { etcdSpec } from "../../../dev/controlplane/etcd.ts";
import { natsServerSpec } from "../../../dev/controlplane/nats-server.ts";
import { probeFirstLine, probeHttp } from "../../../dev/controlplane/probes.ts";
import {
  createNamespace,
  kubectl,
  startOwnControlPlane,
  type OwnControlPlane,
} from "../../support/control-plane.ts";
import { processesWith } from "./world.ts";

const patience = { timeout: 50_000, interval: 50 };
const viewer = { token: "viewer-token", user: "viewer", groups: ["viewers"] };
const { signal } = new AbortController();

const exits: ComponentExitedError[] = [];

function onUnexpectedExit(error: ComponentExitedError): void {
  exits.push(error);
}

async function isReady(plane: OwnControlPlane, ca: string, token: string): Promise<boolean> {
  const answer = await probeHttp({ url: `${plane.server}/readyz`, ca, token, signal });
  return answer !== undefined;
}

describe("two control planes side by side", () => {
  let one: OwnControlPlane;
  let other: OwnControlPlane;
  beforeAll(async () => {
    [one, other] = await Promise.all([
      startOwnControlPlane({ users: [viewer] }),
      startOwnControlPlane({ onUnexpectedExit }),
    ]);
  });

  afterAll(async () => {
    await Promise.all([one[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
  });

  test("answer to their own credentials only", async () => {
    expect(await isReady(one, one.ca, one.adminToken)).toBe(true);
    expect(await isReady(other, other.ca, other.adminToken)).toBe(true);
    expect(await isReady(one, one.ca, other.adminToken)).toBe(false);
    expect(await isReady(other, one.ca, other.adminToken)).toBe(false);
  });

  test("have a nats-server each, with JetStream", async () => {
    expect(one.natsPort).not.toBe(other.natsPort);
    for (const plane of [one, other]) {
      expect(await probeFirstLine(plane.natsPort, signal)).toContain('"jetstream":true');
    }
  });

  test("do not take each other's etcd and nats-server for their own", async () => {
    const input = {
      executable: "",
      dir: one.dir,
      fsync: false,
      keysDir: undefined,
      extraConfig: "",
    };
    const etcd = etcdSpec(input);
    const nats = await natsServerSpec({ ...input, dir: await mkdtemp(join(one.dir, "another-")) });
    expect(await etcd.isReady(one.components.etcd.port, signal)).toBe(false);
    expect(await nats.isReady(one.natsPort, signal)).toBe(false);
  });

  test("let a user do what RBAC allows and nothing else", async () => {
    const kubeconfigPath = await one.writeKubeconfig(viewer);
    const denied = await one.kubectl(["get", "configmaps"], { kubeconfigPath });
    expect(denied.stderr).toContain('User "viewer" cannot list resource "configmaps"');
    await one.kubectl(["create", "rolebinding", "v", "--clusterrole=view", "--group=viewers"]);
    await vi.waitFor(async () => {
      const allowed = await one.kubectl(["get", "configmaps", "-o", "name"], { kubeconfigPath });
      expect(allowed).toMatchObject({ code: 0, stdout: "configmap/kube-root-ca.crt\n" });
    }, patience);
  });

  test("refuse who has no token", async () => {
    const url = `${one.server}/readyz`;
    expect(await probeHttp({ url, ca: one.ca, signal })).toBeUndefined();
  });

  test("keep objects, ports and credentials when the API server and etcd are killed", async () => {
    const namespace = await one.createNamespace();
    const pids = [one.components["kube-apiserver"].pid, one.components.etcd.pid];
    await one.components["kube-apiserver"].kill9();
    await one.components.etcd.kill9();
    expect(await isReady(one, one.ca, one.adminToken)).toBe(false);
    await one.components.etcd.restart();
    await one.components["kube-apiserver"].restart();
    expect(pids).not.toContain(one.components["kube-apiserver"].pid);
    expect(pids).not.toContain(one.components.etcd.pid);
    expect(await one.kubectl(["get", "namespace", namespace, "-o", "name"])).toMatchObject({
      stdout: `namespace/${namespace}\n`,
      code: 0,
    });
  });

  test("have brokers that let in whoever has a JWT of their own account, and nobody else", async () => {
    const ask = async (keysDir: string | undefined): Promise<void> => {
      const connection = await connectClient({ natsUrl: one.natsUrl, keysDir });
      await connection.close();
    };
    await ask(one.keysDir);
    await expect(ask(undefined)).rejects.toThrow(/certificate/);
    await expect(ask(other.keysDir)).rejects.toThrow(/certificate/);
  });

  test("have components that can hang and go on", async () => {
    const apiServer = one.components["kube-apiserver"];
    await apiServer.pause();
    expect(await isReady(one, one.ca, one.adminToken)).toBe(false);
    await apiServer.resume();
    await vi.waitFor(async () => {
      expect(await isReady(one, one.ca, one.adminToken)).toBe(true);
    }, patience);
  });

  test("collect what belongs to a deleted owner", async () => {
    const namespace = await one.createNamespace();
    const inNamespace = (...args: string[]): ReturnType<OwnControlPlane["kubectl"]> =>
      one.kubectl(["--namespace", namespace, ...args]);
    await inNamespace("create", "configmap", "owner");
    const uid = await inNamespace("get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}");
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: uid.stdout };
    const owned = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "owned", namespace, ownerReferences: [owner] },
    };
    expect(
      await one.kubectl(["create", "-f", "-"], { stdin: JSON.stringify(owned) }),
    ).toMatchObject({ code: 0 });
    await inNamespace("delete", "configmap", "owner");
    await vi.waitFor(async () => {
      expect((await inNamespace("get", "configmap", "owned")).code).not.toBe(0);
    }, patience);
  });

  test("tell when a component ends though nobody asked it to", async () => {
    const nats = other.components["nats-server"];
    expect(nats.running).toBe(true);
    process.kill(nats.pid, "SIGKILL");
    await vi.waitFor(() => {
      expect(exits.map((exit) => exit.component)).toEqual(["nats-server"]);
    }, patience);
    expect(nats.running).toBe(false);
    await nats.restart();
    expect(nats.running).toBe(true);
  });
});

test("a stopped control plane leaves no process and no file", async () => {
  const plane = await startOwnControlPlane();
  expect((await processesWith(plane.dir)).length).toBeGreaterThan(3);
  await plane[Symbol.asyncDispose]();
  expect(await processesWith(plane.dir)).toEqual([]);
  await expect(access(plane.dir)).rejects.toThrow("ENOENT");
  await plane[Symbol.asyncDispose]();
});

test("a component that ends while it starts gives an error with the end of its log", async () => {
  const start = startOwnControlPlane({ apiServerArgs: ["--no-such-flag"] });
  await expect(start).rejects.toThrow(/kube-apiserver ended with code 1:[^]*no-such-flag/);
});

test("a start that is aborted throws the reason", async () => {
  const controller = new AbortController();
  const start = startOwnControlPlane({ signal: controller.signal });
  controller.abort(new Error("changed my mind"));
  await expect(start).rejects.toThrow("changed my mind");
});

test("a nats-server that is killed keeps its streams, and its port", async () => {
  await using nats = await startNatsServer({ insecureNats: true });
  const ask = async (subject: string, body = ""): Promise<unknown> => {
    const connection = await connect({ servers: nats.url });
    try {
      return (await connection.request(subject, body)).json();
    } finally {
      await connection.close();
    }
  };
  await ask("$JS.API.STREAM.CREATE.KEPT", JSON.stringify({ name: "KEPT", subjects: ["kept"] }));
  await ask("kept", "a message");
  await nats.component.kill9();
  expect(await probeFirstLine(nats.component.port, signal)).toBeUndefined();
  await nats.component.restart();
  expect(await ask("$JS.API.STREAM.INFO.KEPT")).toMatchObject({ state: { messages: 1 } });
});

test("a nats-server alone takes more configuration", async () => {
  await using nats = await startNatsServer({
    insecureNats: true,
    natsConfig: 'authorization { users: [{ user: "u", password: "p" }] }',
  });
  await expect(connect({ servers: nats.url })).rejects.toThrow(/authorization/i);
  const connection = await connect({ servers: nats.url, user: "u", pass: "p" });
  await connection.close();
});

test("the tests of a run share a control plane, which serves the kinds of this repository", async () => {
  const namespace = await createNamespace();
  expect(await kubectl(["get", "namespace", namespace, "-o", "name"])).toMatchObject({ code: 0 });
  const { stdout } = await kubectl(["get", "customresourcedefinitions", "-o", "name"]);
  const files = (await readdir(crdDirectory)).filter((name) => name.endsWith(".yaml"));
  for (const file of files) {
    const [group, plural] = file.replace(".yaml", "").split("_");
    expect(stdout).toContain(`/${plural}.${group}\n`);
  }
});

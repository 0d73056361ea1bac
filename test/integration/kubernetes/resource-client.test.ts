import { beforeAll, expect, test } from "vitest";
import { listAll } from "../../../src/kubernetes/list.ts";
import {
  createResourceClient,
  type ResourceClient,
} from "../../../src/kubernetes/resource-client.ts";
import type { Transport } from "../../../src/kubernetes/transport.ts";
import { createNamespace, sharedControlPlane } from "../../support/control-plane.ts";
import { connect, installWidgets, must, WIDGETS, type Widget } from "./world.ts";

const cluster = sharedControlPlane();
let transport: Transport;
let widgets: ResourceClient<Widget>;
let namespace = "";

beforeAll(async () => {
  await installWidgets(cluster);
  namespace = await createNamespace();
  transport = await connect(cluster.kubeconfigPath);
  widgets = createResourceClient<Widget>(transport, WIDGETS);
  return () => transport.close();
});

async function raw(name: string): Promise<Record<string, unknown>> {
  const path = `/apis/test.steward.dev/v1/namespaces/${namespace}/widgets/${name}`;
  const { body } = await transport.request({ method: "GET", path });
  return Object.fromEntries(Object.entries(body ?? {}));
}

test("a created object is read back with the server's defaults and without managedFields", async () => {
  const created = await widgets.create({
    metadata: { namespace, name: "read" },
    spec: { size: 1 },
  });
  expect(created).toMatchObject({ kind: "Widget", spec: { size: 1, color: "red" } });
  expect(await widgets.get(namespace, "read")).toEqual(created);
  expect(created.metadata).not.toHaveProperty("managedFields");
  expect(await raw("read")).toHaveProperty("metadata.managedFields");
});

test("the server makes the name where only the beginning is given", async () => {
  const created = await widgets.create({
    metadata: { namespace, generateName: "made-" },
    spec: { size: 1 },
  });
  expect(created.metadata.name).toMatch(/^made-.+/);
});

test("an object that exists is not created again", async () => {
  const input = { metadata: { namespace, name: "twice" }, spec: { size: 1 } };
  await widgets.create(input);
  await expect(widgets.create(input)).rejects.toSatisfy((thrown) => thrown.isAlreadyExists());
});

test("only an object that is not there is undefined", async () => {
  expect(await widgets.get(namespace, "nobody")).toBeUndefined();
});

test("a resource type or group that is not there is an error, not a missing object", async () => {
  for (const other of [
    { ...WIDGETS, plural: "gadgets" },
    { ...WIDGETS, group: "nobody.steward.dev" },
    { ...WIDGETS, version: "v9" },
  ]) {
    const client = createResourceClient<Widget>(transport, other);
    await expect(client.get(namespace, "x")).rejects.toSatisfy((thrown) => thrown.isNotFound());
  }
});

test("creating in a namespace that is not there is an error about the namespace", async () => {
  const metadata = { namespace: "nowhere", name: "x" };
  await expect(widgets.create({ metadata, spec: { size: 1 } })).rejects.toMatchObject({
    status: 404,
    details: { kind: "namespaces", name: "nowhere" },
  });
});

test("updateStatus changes the status and leaves all that is not its own as it was", async () => {
  const object = {
    apiVersion: "test.steward.dev/v1",
    kind: "Widget",
    metadata: { name: "status", namespace, labels: { a: "b" }, annotations: { c: "d" } },
    spec: { size: 1, color: "blue" },
  };
  await must(cluster, ["apply", "-f", "-"], object);
  const before = await raw("status");
  const found = await widgets.get(namespace, "status");
  expect(found?.status).toEqual({ note: "not looked at" });
  if (found === undefined) return;

  const updated = await widgets.updateStatus(found, { note: "seen" });
  expect(updated.status).toEqual({ note: "seen" });
  const after = await raw("status");
  expect(after["spec"]).toEqual(before["spec"]);
  expect(after["status"]).toEqual({ note: "seen" });
  const { managedFields: oldFields, resourceVersion: _, ...oldMetadata } = metadataOf(before);
  const { managedFields: newFields, resourceVersion: __, ...newMetadata } = metadataOf(after);
  expect(newMetadata).toEqual(oldMetadata);
  // What others own stays theirs; the writer of the status owns the status.
  expect(newFields).toEqual([
    ...oldFields,
    expect.objectContaining({ manager: "steward", subresource: "status" }),
  ]);
  expect(updated.metadata.resourceVersion).toBe(metadataOf(after)["resourceVersion"]);
});

interface RawMetadata {
  readonly managedFields: unknown[];
  readonly [field: string]: unknown;
}

function metadataOf(object: Record<string, unknown>): RawMetadata {
  const metadata = Object.entries(object["metadata"] ?? {});
  const fields = Object.fromEntries(metadata)["managedFields"];
  return { ...Object.fromEntries(metadata), managedFields: Array.isArray(fields) ? fields : [] };
}

test("updateStatus of a version that is no longer the latest is a conflict", async () => {
  const created = await widgets.create({
    metadata: { namespace, name: "stale" },
    spec: { size: 1 },
  });
  await must(cluster, ["label", "widget", "-n", namespace, "stale", "x=y"]);
  await expect(widgets.updateStatus(created, { note: "late" })).rejects.toSatisfy((thrown) =>
    thrown.isConflict(),
  );
});

test("updateStatus never lands on an object that took the name of another", async () => {
  const first = await widgets.create({
    metadata: { namespace, name: "reborn" },
    spec: { size: 1 },
  });
  await must(cluster, ["delete", "widget", "-n", namespace, "reborn"]);
  await expect(widgets.updateStatus(first, { note: "x" })).rejects.toSatisfy((thrown) =>
    thrown.isNotFound(),
  );
  const second = await widgets.create({
    metadata: { namespace, name: "reborn" },
    spec: { size: 1 },
  });
  const impostor = { metadata: { ...second.metadata, uid: first.metadata.uid } };
  await expect(widgets.updateStatus(impostor, { note: "x" })).rejects.toSatisfy((thrown) =>
    thrown.isConflict(),
  );
  expect((await widgets.get(namespace, "reborn"))?.status).toEqual({ note: "not looked at" });
});

test("delete takes away exactly the version and the incarnation that was read, and no other", async () => {
  const input = { metadata: { namespace, name: "deleted" }, spec: { size: 1 } };
  const created = await widgets.create(input);
  await must(cluster, ["label", "widget", "-n", namespace, "deleted", "x=y"]);
  const changed = await widgets.get(namespace, "deleted");
  if (changed === undefined) throw new Error("it is not there");
  const { resourceVersion } = changed.metadata;
  const impostor = { ...changed.metadata, uid: "00000000-0000-4000-8000-000000000000" };
  for (const metadata of [created.metadata, impostor]) {
    await expect(widgets.delete({ metadata })).rejects.toSatisfy((thrown) => thrown.isConflict());
  }
  expect((await widgets.get(namespace, "deleted"))?.metadata.resourceVersion).toBe(resourceVersion);
  expect(await widgets.delete(changed)).toBeUndefined();
  expect(await widgets.get(namespace, "deleted")).toBeUndefined();
  await expect(widgets.delete(changed)).rejects.toSatisfy((thrown) => thrown.isNotFound());
});

test("delete tells of an object that somebody's finalizer holds, as it is then", async () => {
  const created = await widgets.create({
    metadata: { namespace, name: "held" },
    spec: { size: 1 },
  });
  const hold = (finalizers: string): Promise<string> => {
    const patch = `{"metadata":{"finalizers":${finalizers}}}`;
    const args = ["patch", "widget", "-n", namespace, "held", "--type=merge", "-p", patch];
    return must(cluster, args);
  };
  await hold('["test.steward.dev/held"]');
  const held = (await widgets.get(namespace, "held")) ?? created;
  const remaining = await widgets.delete(held);
  expect(remaining?.metadata).toMatchObject({ uid: created.metadata.uid });
  expect(remaining?.metadata.deletionTimestamp).toBeDefined();
  expect(await widgets.get(namespace, "held")).toEqual(remaining);
  await hold("null");
  expect(await widgets.get(namespace, "held")).toBeUndefined();
});

test("an update replaces the spec of the version that was read, and no other", async () => {
  const created = await widgets.create({ metadata: { namespace, name: "put" }, spec: { size: 1 } });
  const noted = await widgets.updateStatus(created, { note: "kept" });
  const updated = await widgets.update({ ...noted, spec: { size: 2, color: "blue" } });
  expect(updated).toMatchObject({ spec: { size: 2, color: "blue" }, status: { note: "kept" } });
  const stale = widgets.update({ ...noted, spec: { size: 3 } });
  await expect(stale).rejects.toSatisfy((thrown) => thrown.isConflict());
});

test("an update creates nothing in place of what is gone, nor changes what was made anew", async () => {
  const created = await widgets.create({ metadata: { namespace, name: "was" }, spec: { size: 1 } });
  await widgets.delete(created);
  const gone = widgets.update(created);
  await expect(gone).rejects.toSatisfy((thrown) => thrown.isNotFound() || thrown.isConflict());
  await widgets.create({ metadata: { namespace, name: "was" }, spec: { size: 9 } });
  await expect(widgets.update(created)).rejects.toSatisfy((thrown) => thrown.isConflict());
});

test("a patch changes what it names, and null removes", async () => {
  const { metadata } = await widgets.create({
    metadata: { namespace, name: "patched", labels: { a: "1", b: "2" } },
    spec: { size: 1, color: "blue" },
  });
  const patched = await widgets.patch(namespace, "patched", {
    metadata: { labels: { a: null } },
    spec: { size: 2 },
  });
  expect(patched).toMatchObject({
    metadata: { labels: { b: "2" } },
    spec: { size: 2, color: "blue" },
  });
  expect(patched.metadata.labels).not.toHaveProperty("a");
  const { uid, resourceVersion } = metadata;
  const stale = widgets.patch(namespace, "patched", {
    metadata: { uid, resourceVersion },
    spec: { size: 3 },
  });
  await expect(stale).rejects.toSatisfy((thrown) => thrown.isConflict());
  await expect(widgets.patch(namespace, "nobody", {})).rejects.toSatisfy((thrown) =>
    thrown.isNotFound(),
  );
});

test("all objects of a namespace are listed", async () => {
  const other = await createNamespace();
  for (const name of ["b", "a"]) {
    await widgets.create({ metadata: { namespace: other, name }, spec: { size: 1 } });
  }
  const listed = await listAll<Widget>(transport, WIDGETS, other);
  expect(listed.map(({ metadata: { name } }) => name)).toEqual(["a", "b"]);
});

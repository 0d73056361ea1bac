import { randomUUID } from "node:crypto";
import { afterEach, beforeAll, expect, test } from "vitest";
import { startOwnControlPlane, type OwnControlPlane } from "../../../support/control-plane.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import type { ProxiedRequest } from "../../../support/fault-proxy.ts";
import { installWidgets, manifest, must, until } from "../world.ts";
import { asked, followPatiently, forever, openPath, untilTrue } from "./world.ts";

// What needs a server of its own, because it is killed, stopped, or filled.

const HOUR_MS = 3_600_000;
/** What a watch may be silent for, and what a request has. */
const IDLE_MS = 100_000;
const REQUEST_MS = 30_000;

let plane: OwnControlPlane;

beforeAll(async () => {
  plane = await startOwnControlPlane();
  await installWidgets(plane);
  return () => plane[Symbol.asyncDispose]();
}, 240_000);

// Also after a test that failed before it did so itself.
afterEach(() => plane.components["kube-apiserver"].resume());

async function apply(namespace: string, name: string, size = 1): Promise<void> {
  await must(plane, ["apply", "-f", "-"], manifest(namespace, name, size));
}

async function remove(namespace: string, name: string): Promise<void> {
  await must(plane, ["delete", "widget", "-n", namespace, name]);
}

/** A request to etcd's JSON gateway. */
async function etcd(path: string, body: object): Promise<{ header: { revision: string } }> {
  const url = `http://127.0.0.1:${plane.components.etcd.port}/v3/kv/${path}`;
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`etcd ${path}: ${await response.text()}`);
  return (await response.json()) as { header: { revision: string } };
}

function put(key: string, value: string): object {
  return { key: Buffer.from(key).toString("base64"), value: Buffer.from(value).toString("base64") };
}

test("after an hour without an API server, and a compaction, one list tells all that was missed", async () => {
  const namespace = await plane.createNamespace();
  for (const name of ["kept", "changed", "deleted", "reborn"]) await apply(namespace, name);
  await using path = await openPath(plane);
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock, told, logger } = watching;
  await reflector.synced(forever);

  clock.pass(HOUR_MS);
  await plane.components["kube-apiserver"].kill9();
  await until(() => clock.held);
  expect(reflector.size).toBe(4);
  const tries = asked(path.proxy).length - 1;
  expect(tries).toBeLessThanOrEqual(HOUR_MS / 15_000 + 10);
  expect(tries).toBeGreaterThanOrEqual(HOUR_MS / 30_000);

  await plane.components["kube-apiserver"].restart();
  await apply(namespace, "changed", 2);
  for (const name of ["deleted", "reborn"]) await remove(namespace, name);
  for (const name of ["reborn", "new"]) await apply(namespace, name);
  const { header } = await etcd("put", put("/unrelated", "1"));
  await etcd("compaction", { revision: header.revision, physical: true });
  clock.pass(60_000);
  await untilTrue(plane, watching, namespace);
  expect(new Set(told.slice(4))).toEqual(
    new Set(["updated changed", "added new", "deleted deleted", "deleted reborn", "added reborn"]),
  );
  // In the stream: its status was 200.
  expect(logger.lines.filter(({ message }) => message.includes(": 410 "))).toHaveLength(1);
  await apply(namespace, "afterwards");
  await untilTrue(plane, watching, namespace);
  // After so many failures every other list is a paged one.
  const after = asked(path.proxy).slice(1 + tries);
  expect([
    ["watch", "stream"],
    ["watch", "page", "watch"],
  ]).toContainEqual(after);
});

test("an API server that stands still for 20 s costs nothing", async () => {
  const namespace = await plane.createNamespace();
  for (const name of ["kept", "deleted"]) await apply(namespace, name);
  const time = new FakeClock();
  await using path = await openPath(plane, { clock: time });
  await using watching = followPatiently(path.transport, namespace);
  await watching.reflector.synced(forever);

  await plane.components["kube-apiserver"].pause();
  await time.advance(20_000);
  await plane.components["kube-apiserver"].resume();
  await apply(namespace, "new");
  await remove(namespace, "deleted");
  await untilTrue(plane, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream"]);
});

test("an API server that stands still for longer is tried ever less often, and nothing is missed after", async () => {
  const namespace = await plane.createNamespace();
  for (const name of ["kept", "deleted"]) await apply(namespace, name);
  const time = new FakeClock();
  await using path = await openPath(plane, { clock: time });
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock } = watching;
  await reflector.synced(forever);

  await plane.components["kube-apiserver"].pause();
  await time.advance(IDLE_MS);
  const backOffMs = 120_000;
  await until(() => clock.held);
  clock.pass(backOffMs);
  let given = 1;
  await until(async () => {
    // Each try has all of its time, from when it has come as far as the server.
    if (asked(path.proxy).length > given) {
      given = asked(path.proxy).length;
      await time.advance(REQUEST_MS);
    }
    return clock.held;
  });
  const tries = asked(path.proxy).length - 1;
  expect(tries).toBeLessThanOrEqual(backOffMs / 15_000 + 6);
  expect(tries).toBeGreaterThanOrEqual(backOffMs / 30_000);
  expect(reflector.size).toBe(2);

  await plane.components["kube-apiserver"].resume();
  await apply(namespace, "new");
  await remove(namespace, "deleted");
  clock.pass(30_000);
  await untilTrue(plane, watching, namespace);
  expect(asked(path.proxy).slice(1 + tries)).toEqual(["watch"]);
});

const MANY = 10_000;
/** etcd's limit of operations in one transaction. */
const BATCH = 128;

/**
 * Puts them where the API server keeps them: as a restored etcd would have them, and in seconds. The last
 * one is made in the usual way: one transaction is one revision, which is no place to begin a watch in,
 * since the API server (which never writes so) may be in the midst of it.
 */
async function storeMany(namespace: string): Promise<void> {
  const stored = MANY - 1;
  for (let start = 0; start < stored; start += BATCH) {
    const puts = Array.from({ length: Math.min(BATCH, stored - start) }, (_, at) => ({
      requestPut: storedWidget(namespace, `w${start + at}`),
    }));
    await etcd("txn", { success: puts });
  }
  await apply(namespace, "last");
}

function storedWidget(namespace: string, name: string): object {
  const object = {
    apiVersion: "test.steward.dev/v1",
    kind: "Widget",
    metadata: {
      name,
      namespace,
      uid: randomUUID(),
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: { size: 1, color: "red" },
  };
  return put(`/registry/test.steward.dev/widgets/${namespace}/${name}`, JSON.stringify(object));
}

const isStream = ({ query }: ProxiedRequest): boolean => query.has("sendInitialEvents");

test("10,000 objects at the start are one request, or 20 pages where lists are not streamed", async () => {
  const namespace = await plane.createNamespace();
  await storeMany(namespace);
  await using streamed = await openPath(plane);
  await using paged = await openPath(plane);
  paged.proxy.fault = (request) =>
    isStream(request) ? { kind: "answer", status: 422, body: "unknown field" } : undefined;
  await using byStream = followPatiently(streamed.transport, namespace);
  await using byPages = followPatiently(paged.transport, namespace);
  for (const { reflector } of [byStream, byPages]) await reflector.synced(forever);
  for (const { reflector } of [byStream, byPages]) expect(reflector.size).toBe(MANY);
  for (const watching of [byStream, byPages]) await untilTrue(plane, watching, namespace);

  await apply(namespace, "live");
  for (const watching of [byStream, byPages]) await untilTrue(plane, watching, namespace);
  for (const { told } of [byStream, byPages]) expect(told).toHaveLength(MANY + 1);
  expect(asked(streamed.proxy)).toEqual(["stream"]);
  expect(asked(paged.proxy)).toEqual(["stream 422", ...Array(20).fill("page"), "watch"]);
});

import { beforeAll, expect, test } from "vitest";
import { ApiError } from "../../../../src/kubernetes/api-error.ts";
import { createResourceClient } from "../../../../src/kubernetes/resource-client.ts";
import { ResourceStore } from "../../../../src/kubernetes/resource-store.ts";
import { TransportError } from "../../../../src/kubernetes/transport-error.ts";
import { createNamespace, sharedControlPlane } from "../../../support/control-plane.ts";
import type { Fault, ProxiedRequest } from "../../../support/fault-proxy.ts";
import { installWidgets, manifest, must, until, WIDGETS, type Widget } from "../world.ts";
import { asked, followPatiently, forever, openPath, untilTrue, type Path } from "./world.ts";

const cluster = sharedControlPlane();

beforeAll(() => installWidgets(cluster));

async function apply(namespace: string, names: readonly string[], size = 1): Promise<void> {
  const items = names.map((name) => manifest(namespace, name, size));
  await must(cluster, ["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items });
}

/** What may happen while nobody watches. */
async function changeEverything(namespace: string): Promise<void> {
  await apply(namespace, ["changed"], 2);
  await must(cluster, ["delete", "widget", "-n", namespace, "deleted", "reborn"]);
  await apply(namespace, ["reborn", "new"]);
}

const NAMES = ["kept", "changed", "deleted", "reborn"];

/** `fault` for the first request that is asked for in this way, and for no other. */
function once(path: Path, isIt: (request: ProxiedRequest) => boolean, fault: Fault): void {
  let done = false;
  path.proxy.fault = (request) => {
    if (done || !isIt(request)) return undefined;
    done = true;
    return fault;
  };
}

const isWatch = ({ query }: ProxiedRequest): boolean => query.get("watch") === "true";

function status(code: number, fields: object = {}): Fault {
  const body = { kind: "Status", apiVersion: "v1", status: "Failure", code, ...fields };
  return {
    kind: "answer",
    status: code,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}

const gone = status(410, { reason: "Expired", message: "too old resource version" });
const html = "<html>upstream connect error</html>";

const HOUR_MS = 3_600_000;

const outages: readonly { readonly name: string; readonly fault: Fault }[] = [
  { name: "connections that break", fault: { kind: "refuse" } },
  { name: "500 without a Status", fault: { kind: "answer", status: 500, body: html } },
  { name: "503 with a Status", fault: status(503, { reason: "ServiceUnavailable" }) },
  { name: "429 that asks for no time", fault: status(429, { reason: "TooManyRequests" }) },
  { name: "401", fault: status(401, { reason: "Unauthorized" }) },
  { name: "403", fault: status(403, { reason: "Forbidden" }) },
  { name: "400", fault: status(400, { reason: "BadRequest" }) },
  { name: "410, to lists too", fault: gone },
  { name: "a page of somebody else's", fault: { kind: "answer", status: 200, body: html } },
];

test.each(outages)("an hour of $name is no storm, and ends with the truth", async ({ fault }) => {
  const namespace = await createNamespace();
  await apply(namespace, NAMES);
  await using path = await openPath(cluster);
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock } = watching;
  await reflector.synced(forever);

  path.proxy.fault = () => fault;
  clock.pass(HOUR_MS);
  path.proxy.breakConnections();
  await until(() => clock.held);
  expect(reflector.size).toBe(NAMES.length);
  // The back-off ends at 30 s and at least half of it is waited; a 401 may be tried once more.
  const tries = asked(path.proxy).length - 1;
  expect(tries).toBeLessThanOrEqual(HOUR_MS / 15_000 + 10);
  expect(tries).toBeGreaterThanOrEqual(HOUR_MS / 30_000);

  path.proxy.fault = () => undefined;
  await changeEverything(namespace);
  clock.pass(30_000);
  await untilTrue(cluster, watching, namespace);
  // The first list, the tries, and at the end a watch, or a list and a watch.
  expect(asked(path.proxy).length).toBeLessThanOrEqual(1 + tries + 2);
});

test("429 with Retry-After is waited out, however long it is", async () => {
  const namespace = await createNamespace();
  await apply(namespace, NAMES);
  await using path = await openPath(cluster);
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock } = watching;
  await reflector.synced(forever);

  once(path, isWatch, {
    ...status(429, { reason: "TooManyRequests" }),
    kind: "answer",
    status: 429,
    headers: { "retry-after": "3600" },
  });
  clock.pass(1_000);
  path.proxy.breakConnections();
  await until(() => asked(path.proxy).length === 2 && clock.held);
  await changeEverything(namespace);
  clock.pass(HOUR_MS - 1_000);
  expect(clock.held).toBe(true);
  clock.pass(1_000);
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream", "watch 429", "watch"]);
});

test("410 as the status of a watch is followed by one list, which tells what changed", async () => {
  const namespace = await createNamespace();
  await apply(namespace, NAMES);
  await using path = await openPath(cluster);
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock, told } = watching;
  await reflector.synced(forever);

  once(path, isWatch, gone);
  path.proxy.breakConnections();
  await until(() => clock.held);
  await changeEverything(namespace);
  clock.pass(10_000);
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream", "watch 410", "stream"]);
  expect(told.slice(NAMES.length).toSorted()).toEqual(
    [
      "updated changed",
      "added new",
      "deleted deleted",
      "deleted reborn",
      "added reborn",
    ].toSorted(),
  );
});

test("a watch that is cut in the middle of a line goes on where it was", async () => {
  const namespace = await createNamespace();
  await apply(namespace, NAMES);
  await using path = await openPath(cluster);
  once(path, isWatch, { kind: "cut", at: "cut-in-two" });
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock, told, logger } = watching;
  await reflector.synced(forever);

  await apply(namespace, ["whole", "cut-in-two"]);
  await until(() => clock.held);
  expect(told.slice(NAMES.length)).toEqual(["added whole"]);
  await changeEverything(namespace);
  clock.pass(1_000);
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream", "watch"]);
  expect(told.filter((line) => line.includes("cut-in-two"))).toEqual(["added cut-in-two"]);
  expect(logger.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
});

test("of a first list that is cut nothing is seen, and it is asked for again", async () => {
  const namespace = await createNamespace();
  await apply(namespace, NAMES);
  await using path = await openPath(cluster);
  once(path, isWatch, { kind: "cut", at: "initial-events-end" });
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock, told } = watching;
  await until(() => clock.held);
  expect([reflector.hasSynced, reflector.size, told.length]).toEqual([false, 0, 0]);

  clock.pass(1_000);
  await reflector.synced(forever);
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream", "stream"]);
  expect(told.toSorted()).toEqual(NAMES.map((name) => `added ${name} initially`).toSorted());
});

test("a create whose answer is lost is told by the watch, and found by the next try", async () => {
  const namespace = await createNamespace();
  await using path = await openPath(cluster);
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, told } = watching;
  await reflector.synced(forever);
  const store = new ResourceStore(reflector, createResourceClient<Widget>(path.transport, WIDGETS));

  once(path, ({ method }) => method === "POST", { kind: "lose" });
  const object = { metadata: { namespace, name: "made" }, spec: { size: 1 } };
  await expect(store.create(object)).rejects.toThrow(TransportError);
  await expect(store.create(object)).rejects.toSatisfy((thrown) => thrown.isAlreadyExists());
  const found = await store.getLive(namespace, "made");
  expect(store.get(`${namespace}/made`)).toEqual(found);
  await untilTrue(cluster, watching, namespace);
  expect(told).toEqual(["added made"]);
  expect(asked(path.proxy)).toEqual(["stream", "POST", "POST 409", "GET"]);
});

test("a status whose answer is lost is not written twice", async () => {
  const namespace = await createNamespace();
  await using path = await openPath(cluster);
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, told } = watching;
  await reflector.synced(forever);
  const store = new ResourceStore(reflector, createResourceClient<Widget>(path.transport, WIDGETS));
  const created = await store.create({ metadata: { namespace, name: "w" }, spec: { size: 1 } });

  once(path, ({ method }) => method === "PUT", { kind: "lose" });
  await expect(store.updateStatus(created, { note: "done" })).rejects.toThrow(TransportError);
  const again = store.updateStatus(created, { note: "done twice" });
  await expect(again).rejects.toSatisfy(
    (thrown) => thrown instanceof ApiError && thrown.isConflict(),
  );
  await until(() => told.length === 2);
  await untilTrue(cluster, watching, namespace);
  expect(store.get(`${namespace}/w`)?.status).toEqual({ note: "done" });
  expect(told).toEqual(["added w", "updated w"]);
  expect(asked(path.proxy)).toEqual(["stream", "POST", "PUT", "PUT 409"]);
});

test("a handler that always throws costs no request and no object", async () => {
  const namespace = await createNamespace();
  await apply(namespace, NAMES);
  await using path = await openPath(cluster);
  await using watching = followPatiently(path.transport, namespace, () => {
    throw new Error("no");
  });
  await watching.reflector.synced(forever);
  await changeEverything(namespace);
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream"]);
});

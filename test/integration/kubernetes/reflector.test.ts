import { beforeAll, describe, expect, test } from "vitest";
import { createResourceClient } from "../../../src/kubernetes/resource-client.ts";
import type { Transport, WatchRequest } from "../../../src/kubernetes/transport.ts";
import { createNamespace, sharedControlPlane } from "../../support/control-plane.ts";
import {
  connect,
  contents,
  follow,
  installWidgets,
  manifest,
  must,
  truth,
  until,
  WIDGETS,
  type Widget,
} from "./world.ts";

const cluster = sharedControlPlane();
const forever = new AbortController().signal;
let transport: Transport;

beforeAll(async () => {
  await installWidgets(cluster);
  transport = await connect(cluster.kubeconfigPath);
  return () => transport.close();
});

async function applyAll(namespace: string, names: readonly string[], size = 1): Promise<void> {
  const items = names.map((name) => manifest(namespace, name, size));
  await must(cluster, ["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items });
}

test("the list is streamed, told as initial, and followed by every live change", async () => {
  const namespace = await createNamespace();
  await applyAll(namespace, ["a", "b"]);
  await using watching = follow({ transport, namespace });
  const { reflector, told } = watching;
  await reflector.synced(forever);
  expect(told.toSorted()).toEqual(["added a initially", "added b initially"]);
  expect(contents(reflector)).toEqual(await truth(cluster, namespace));

  await applyAll(namespace, ["a"], 2);
  await applyAll(namespace, ["c"]);
  await must(cluster, ["delete", "widget", "-n", namespace, "b"]);
  await until(() => told.length === 5);
  expect(told.slice(2)).toEqual(["updated a", "added c", "deleted b"]);
  expect(contents(reflector)).toEqual(await truth(cluster, namespace));
  expect(reflector.get(`${namespace}/a`)?.metadata).not.toHaveProperty("managedFields");
});

test("an empty namespace is synced too, and an other one is not seen", async () => {
  const [namespace, other] = [await createNamespace(), await createNamespace()];
  await applyAll(other, ["a"]);
  await using watching = follow({ transport, namespace });
  await watching.reflector.synced(forever);
  expect(watching.told).toEqual([]);
});

test("a kind that is not installed yet is waited for", async () => {
  const namespace = await createNamespace();
  const resource = { ...WIDGETS, plural: "gizmos" };
  await using watching = follow({ transport, namespace, resource });
  await until(() => watching.logger.lines.length > 0);
  expect(watching.reflector.hasSynced).toBe(false);
});

test("a handler that throws misses nothing", async () => {
  const namespace = await createNamespace();
  await applyAll(namespace, ["a"]);
  await using watching = follow({
    transport,
    namespace,
    onChange: () => {
      throw new Error("no");
    },
  });
  await watching.reflector.synced(forever);
  await applyAll(namespace, ["b"]);
  await until(() => watching.told.length === 2);
  expect(watching.told).toEqual(["added a initially", "added b"]);
  const errors = watching.logger.lines.filter(({ level }) => level === "error");
  expect(errors.map(({ message }) => message)).toEqual(Array(2).fill("a change handler threw"));
});

test("writers read their own writes, and the watch tells them once", async () => {
  const namespace = await createNamespace();
  const client = createResourceClient<Widget>(transport, WIDGETS);
  await using watching = follow({ transport, namespace });
  const { reflector, told } = watching;
  await reflector.synced(forever);
  for (let round = 1; round <= 10; round += 1) {
    const name = `w${round}`;
    const created = await client.create({ metadata: { namespace, name }, spec: { size: 1 } });
    reflector.observe(created);
    const seen = reflector.get(`${namespace}/${name}`) ?? created;
    const written = await client.updateStatus(seen, { note: "mine" });
    reflector.observe(written);
    expect(reflector.get(`${namespace}/${name}`)).toEqual(written);
  }
  await until(() => told.length === 20);
  expect(told.filter((line) => line.startsWith("added"))).toHaveLength(10);
  expect(contents(reflector)).toEqual(await truth(cluster, namespace));
});

/** The transport, but for the queries of its watches. */
function rewritten(change: (query: WatchRequest["query"]) => WatchRequest["query"]): Transport {
  return {
    ...transport,
    request: (request) => transport.request(request),
    watch: (request) => {
      const query = change(request.query);
      return transport.watch(query === undefined ? request : { ...request, query });
    },
  };
}

describe("a watch from a version that the server has forgotten", () => {
  test("lists again and tells what changed meanwhile", async () => {
    const namespace = await createNamespace();
    await applyAll(namespace, ["a", "b"]);
    let lists = 0;
    let watches = 0;
    await using watching = follow({
      namespace,
      transport: rewritten((query) => {
        if (query?.["resourceVersion"] !== undefined) {
          watches += 1;
          return { ...query, resourceVersion: "1" };
        }
        lists += 1;
        // The first list ends after a second, so that a watch follows it.
        return lists === 1 ? { ...query, timeoutSeconds: 1 } : query;
      }),
    });
    await until(() => lists === 2);
    expect(watches).toBe(1);
    const relisted = watching.logger.lines.filter(({ level }) => level === "warn");
    expect(relisted.map(({ message }) => message)).toEqual([
      expect.stringMatching(/: 410 Expired: too old resource version/),
    ]);
    await applyAll(namespace, ["c"]);
    await until(() => watching.told.length === 3);
    expect(watching.told.slice(2)).toEqual(["added c"]);
    expect(contents(watching.reflector)).toEqual(await truth(cluster, namespace));
  });
});

test("a server that takes no streaming list is listed in pages", async () => {
  const namespace = await createNamespace();
  const client = createResourceClient<Widget>(transport, WIDGETS);
  const creates = Array.from({ length: 501 }, (_, index) =>
    client.create({ metadata: { namespace, name: `w${index}` }, spec: { size: index } }),
  );
  await Promise.all(creates);
  await using watching = follow({
    namespace,
    // Without resourceVersionMatch the API server refuses it with 422, as one without the feature does.
    transport: rewritten((query) => {
      const { resourceVersionMatch: _, ...rest } = query ?? {};
      return rest;
    }),
  });
  await watching.reflector.synced(forever);
  expect(watching.reflector.size).toBe(501);
  expect(contents(watching.reflector)).toEqual(await truth(cluster, namespace));
  await applyAll(namespace, ["live"]);
  await until(() => watching.told.includes("added live"));
});

import { beforeAll, expect, test } from "vitest";
import { systemClock, type Clock } from "../../../src/runtime/clock.ts";
import { startOwnControlPlane, type OwnControlPlane } from "../../support/control-plane.ts";
import {
  connect,
  contents,
  follow,
  installWidgets,
  manifest,
  must,
  truth,
  until,
} from "./world.ts";

const forever = new AbortController().signal;
let plane: OwnControlPlane;

beforeAll(async () => {
  plane = await startOwnControlPlane();
  await installWidgets(plane);
  return () => plane[Symbol.asyncDispose]();
}, 240_000);

/** A clock whose sleepers wait until they are let go: it keeps a reflector in its back-off. */
function gatedClock(): Clock & { open(): void; readonly waiting: number } {
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  return {
    ...systemClock,
    sleep: async () => {
      waiting += 1;
      await gate.promise;
    },
    open: () => gate.resolve(),
    get waiting() {
      return waiting;
    },
  };
}

async function apply(namespace: string, name: string, size: number): Promise<void> {
  await must(plane, ["apply", "-f", "-"], manifest(namespace, name, size));
}

test("after a killed API server the cache is the truth, with what changed meanwhile", async () => {
  const namespace = await plane.createNamespace();
  for (const name of ["kept", "changed", "deleted", "reborn"]) await apply(namespace, name, 1);
  await using transport = await connect(plane.kubeconfigPath);
  const clock = gatedClock();
  await using watching = follow({ transport, namespace, clock });
  const { reflector, told, followed } = watching;
  await reflector.synced(forever);

  await plane.components["kube-apiserver"].kill9();
  await until(() => clock.waiting > 0);
  expect(reflector.size).toBe(4);
  await plane.components["kube-apiserver"].restart();
  await apply(namespace, "changed", 2);
  await apply(namespace, "new", 1);
  await must(plane, ["delete", "widget", "-n", namespace, "deleted", "reborn"]);
  await apply(namespace, "reborn", 1);
  clock.open();

  const want = await truth(plane, namespace);
  await until(() => JSON.stringify(sorted(contents(reflector))) === JSON.stringify(sorted(want)));
  expect(new Set(told.slice(4))).toEqual(
    new Set(["updated changed", "added new", "deleted deleted", "deleted reborn", "added reborn"]),
  );
  const names = Object.entries(want).map(([name, version]) => [`${namespace}/${name}`, version]);
  expect(Object.fromEntries(followed)).toEqual(Object.fromEntries(names));

  await apply(namespace, "afterwards", 1);
  await until(() => told.includes("added afterwards"));
});

test("a list at a version that etcd has compacted is refused as gone", async () => {
  const namespace = await plane.createNamespace();
  await apply(namespace, "a", 1);
  await using transport = await connect(plane.kubeconfigPath);
  const [, version = ""] = Object.values(await truth(plane, namespace))[0]?.split("@") ?? [];
  await apply(namespace, "a", 2);
  await compact(Number(version) + 1);
  const list = transport.request({
    method: "GET",
    path: `/apis/test.steward.dev/v1/namespaces/${namespace}/widgets`,
    query: { resourceVersion: "1", resourceVersionMatch: "Exact", limit: 1 },
  });
  await expect(list).rejects.toSatisfy((thrown) => thrown.isGone());
});

function sorted(record: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(record).toSorted(([left], [right]) => left.localeCompare(right));
}

/** Makes etcd forget all before `revision`, as the API server does every five minutes. */
async function compact(revision: number): Promise<void> {
  const { port } = plane.components.etcd;
  const response = await fetch(`http://127.0.0.1:${port}/v3/kv/compaction`, {
    method: "POST",
    body: JSON.stringify({ revision, physical: true }),
  });
  expect(response.ok).toBe(true);
}

import { beforeAll, expect, test } from "vitest";
import { createResourceClient } from "../../../../src/kubernetes/resource-client.ts";
import { ResourceStore } from "../../../../src/kubernetes/resource-store.ts";
import { createNamespace, sharedControlPlane } from "../../../support/control-plane.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { installWidgets, manifest, must, until, WIDGETS, type Widget } from "../world.ts";
import { asked, followPatiently, forever, openPath, untilTrue } from "./world.ts";

const cluster = sharedControlPlane();

/** What a watch may be silent for, and what a request has. */
const IDLE_MS = 100_000;
const REQUEST_MS = 30_000;

beforeAll(() => installWidgets(cluster));

async function apply(namespace: string, name: string, size = 1): Promise<void> {
  await must(cluster, ["apply", "-f", "-"], manifest(namespace, name, size));
}

test("a watch that falls silent is given up after its time, and another one tells the rest", async () => {
  const namespace = await createNamespace();
  for (const name of ["kept", "deleted"]) await apply(namespace, name);
  const time = new FakeClock();
  await using path = await openPath(cluster, { clock: time });
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock, told } = watching;
  await reflector.synced(forever);

  path.tcp.silenceOpen();
  await apply(namespace, "new");
  await must(cluster, ["delete", "widget", "-n", namespace, "deleted"]);
  await time.advance(IDLE_MS - 1);
  expect([reflector.size, clock.held]).toEqual([2, false]);
  await time.advance(1);
  await until(() => clock.held);
  clock.pass(1_000);
  await untilTrue(cluster, watching, namespace);
  expect(told.slice(2)).toEqual(["added new", "deleted deleted"]);
  expect(asked(path.proxy)).toEqual(["stream", "watch"]);
});

test("a network that swallows everything is tried ever less often, and nothing is missed after", async () => {
  const namespace = await createNamespace();
  for (const name of ["kept", "deleted"]) await apply(namespace, name);
  const time = new FakeClock();
  await using path = await openPath(cluster, { clock: time });
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, clock, logger } = watching;
  await reflector.synced(forever);

  path.tcp.silenceAll();
  await time.advance(IDLE_MS);
  await until(() => clock.held);
  const backOffMs = 120_000;
  clock.pass(backOffMs);
  await until(async () => {
    if (!clock.held) await time.advance(REQUEST_MS);
    return clock.held;
  });
  const failed = logger.lines.filter(({ message }) => message.includes("no answer in the time"));
  expect(failed.length).toBeGreaterThanOrEqual(backOffMs / 30_000);
  expect(failed.length).toBeLessThanOrEqual(backOffMs / 15_000 + 6);
  // One for the first list, at most one for each try.
  expect(path.tcp.accepted).toBeLessThanOrEqual(1 + failed.length);
  expect(reflector.size).toBe(2);

  await apply(namespace, "new");
  await must(cluster, ["delete", "widget", "-n", namespace, "deleted"]);
  path.tcp.resume();
  clock.pass(30_000);
  await untilTrue(cluster, watching, namespace);
  expect(asked(path.proxy)).toEqual(["stream", "watch"]);
});

test("409 to a status from a cache that fell behind is settled by one live read", async () => {
  const namespace = await createNamespace();
  await apply(namespace, "w");
  await using path = await openPath(cluster);
  await using watching = followPatiently(path.transport, namespace);
  const { reflector, told } = watching;
  await reflector.synced(forever);
  const store = new ResourceStore(reflector, createResourceClient<Widget>(path.transport, WIDGETS));
  const key = `${namespace}/w`;
  const behind = store.get(key);
  if (behind === undefined) throw new Error("the cache has no w");

  path.tcp.silenceOpen();
  await apply(namespace, "w", 2);
  await expect(store.updateStatus(behind, { note: "late" })).rejects.toSatisfy((thrown) =>
    thrown.isConflict(),
  );
  const live = await store.getLive(namespace, "w");
  expect(store.get(key)).toMatchObject({ spec: { size: 2 } });
  const written = await store.updateStatus(live ?? behind, { note: "seen" });
  expect(store.get(key)).toEqual(written);
  expect(told).toEqual(["added w initially"]);

  path.tcp.resume();
  await until(() => told.length === 3);
  await untilTrue(cluster, watching, namespace);
  expect(told.slice(1)).toEqual(["updated w", "updated w"]);
  expect(asked(path.proxy)).toEqual(["stream", "PUT 409", "GET", "PUT"]);
});

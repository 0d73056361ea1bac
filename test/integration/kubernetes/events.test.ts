import { beforeAll, expect, test } from "vitest";
import type { EventInput } from "../../../src/kubernetes/event-object.ts";
import { createEventRecorder, type EventRecorder } from "../../../src/kubernetes/events.ts";
import { createResourceClient } from "../../../src/kubernetes/resource-client.ts";
import type { Transport } from "../../../src/kubernetes/transport.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createNamespace, sharedControlPlane } from "../../support/control-plane.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { connect, installWidgets, must, until, WIDGETS, type Widget } from "./world.ts";

const cluster = sharedControlPlane();
const logger = new RecordingLogger();
let transport: Transport;
let namespace = "";

beforeAll(async () => {
  await installWidgets(cluster);
  namespace = await createNamespace();
  transport = await connect(cluster.kubeconfigPath);
  return () => transport.close();
});

function openRecorder(): EventRecorder {
  return createEventRecorder({
    transport,
    clock: systemClock,
    random: Math.random,
    logger,
    reportingController: "steward.dev/controller",
    reportingInstance: "steward-controller-0",
  });
}

async function aboutWidget(name: string): Promise<EventInput> {
  const client = createResourceClient<Widget>(transport, WIDGETS);
  const { apiVersion, kind, metadata } = await client.create({
    metadata: { namespace, name },
    spec: { size: 1 },
  });
  const { uid } = metadata;
  return {
    regarding: { apiVersion, kind, namespace, name, uid },
    type: "Warning",
    reason: "NodeAway",
    action: "Send",
    note: "the node is away",
  };
}

interface ShownEvent {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
  readonly series?: { readonly count: number };
}

async function eventsOf(name: string): Promise<ShownEvent[]> {
  const args = ["get", "events.events.k8s.io", "-n", namespace, "-o", "json"];
  const list: unknown = JSON.parse(await must(cluster, args));
  const { items } = list as { items: (ShownEvent & { regarding: { name: string } })[] };
  return items.filter(({ regarding }) => regarding.name === name);
}

test("an event is shown by kubectl describe and kubectl get events", async () => {
  const recorder = openRecorder();
  recorder.record(await aboutWidget("described"));
  await recorder.close();
  const described = await must(cluster, ["describe", "widget", "-n", namespace, "described"]);
  expect(described).toMatch(/Warning\s+NodeAway\s+.*steward.dev\/controller.*\s+the node is away/);
  const listed = await must(cluster, ["get", "events", "-n", namespace]);
  expect(listed).toMatch(/Warning\s+NodeAway\s+widget\/described\s+the node is away/);
  expect(logger.lines).toEqual([]);
});

test("an event that repeats becomes a series, another one does not", async () => {
  const recorder = openRecorder();
  const event = await aboutWidget("repeated");
  for (let count = 0; count < 5; count += 1) recorder.record(event);
  recorder.record({ ...event, note: "something else" });
  await recorder.close();
  const events = await eventsOf("repeated");
  const counts = events.map(({ note, series }) => [note, series?.count ?? 1]);
  expect(Object.fromEntries(counts)).toEqual({ "the node is away": 5, "something else": 1 });
  const described = await must(cluster, ["describe", "widget", "-n", namespace, "repeated"]);
  expect(described).toMatch(/\(x5 over/);
  expect(logger.lines).toEqual([]);
});

test("a repetition long after the first is a new request that counts on", async () => {
  const recorder = openRecorder();
  const event = await aboutWidget("later");
  for (let round = 1; round <= 3; round += 1) {
    recorder.record(event);
    // The one before must have arrived, or the two would be told in one request.
    await until(async () => {
      const [shown] = await eventsOf("later");
      return shown !== undefined && (shown.series?.count ?? 1) === round;
    });
  }
  expect(await eventsOf("later")).toHaveLength(1);
  await recorder.close();
  expect(logger.lines).toEqual([]);
});

test("the longest note, names at their limits and control characters are accepted", async () => {
  const recorder = openRecorder();
  const name = `${"n".repeat(63)}.${"m".repeat(180)}`;
  const event = await aboutWidget(name);
  recorder.record({ ...event, note: "€".repeat(2_000), reason: "R".repeat(200) });
  recorder.record({ ...event, note: "\u0000\u001b[31m\n" });
  await recorder.close();
  expect(logger.lines).toEqual([]);
  expect(await eventsOf(name)).toHaveLength(2);
});

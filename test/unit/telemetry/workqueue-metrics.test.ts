import { beforeEach, describe, expect, test } from "vitest";
import { WorkQueue, type WorkQueueRecorder } from "../../../src/runtime/workqueue.ts";
import { createMetrics, type Metrics } from "../../../src/telemetry/metrics.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { Exposition } from "./exposition.ts";

let clock: FakeClock;
let metrics: Metrics;
let queue: WorkQueueRecorder;

beforeEach(() => {
  clock = new FakeClock();
  metrics = createMetrics({ version: "1.2.3", clock, defaultMetrics: false });
  queue = metrics.workQueue("nodes");
});

/** Of the queue: the metric without its prefix. */
async function value(name: string): Promise<number | undefined> {
  return new Exposition(await metrics.text()).value(`workqueue_${name}`, { name: "nodes" });
}

describe("the metrics of a work queue", () => {
  test("start at 0", async () => {
    for (const name of ["adds_total", "retries_total", "depth", "unfinished_work_seconds"]) {
      expect(await value(name)).toBe(0);
    }
  });

  test("count a key once that is added again while it waits", async () => {
    queue.added("a");
    queue.added("a");
    queue.added("b");
    expect(await value("adds_total")).toBe(2);
    expect(await value("depth")).toBe(2);
  });

  test("tell how long a key waited, from the first time it was added", async () => {
    queue.added("a");
    await clock.advance(2_000);
    queue.added("a");
    await clock.advance(1_000);
    queue.started("a");
    expect(await value("queue_duration_seconds_sum")).toBe(3);
    expect(await value("queue_duration_seconds_count")).toBe(1);
    expect(await value("depth")).toBe(0);
  });

  test("tell how long the work took", async () => {
    queue.added("a");
    queue.started("a");
    await clock.advance(1_500);
    queue.done("a");
    expect(await value("work_duration_seconds_sum")).toBe(1.5);
    expect(await value("work_duration_seconds_count")).toBe(1);
  });

  test("count a key that is added while it is worked on as waiting until it is worked on again", async () => {
    queue.added("a");
    queue.started("a");
    await clock.advance(1_000);
    queue.added("a");
    expect(await value("depth")).toBe(1);
    await clock.advance(1_000);
    queue.done("a");
    queue.started("a");
    expect(await value("depth")).toBe(0);
    expect(await value("adds_total")).toBe(2);
    expect(await value("queue_duration_seconds_sum")).toBe(1);
    expect(await value("work_duration_seconds_sum")).toBe(2);
  });

  test("tell of work under way at the moment of the scrape", async () => {
    queue.added("a");
    queue.started("a");
    await clock.advance(10_000);
    queue.added("b");
    queue.started("b");
    await clock.advance(5_000);
    expect(await value("unfinished_work_seconds")).toBe(20);
    expect(await value("longest_running_processor_seconds")).toBe(15);
    queue.done("a");
    await clock.advance(1_000);
    expect(await value("unfinished_work_seconds")).toBe(6);
    expect(await value("longest_running_processor_seconds")).toBe(6);
    queue.done("b");
    expect(await value("unfinished_work_seconds")).toBe(0);
    expect(await value("longest_running_processor_seconds")).toBe(0);
  });

  test("count retries", async () => {
    queue.retried();
    queue.retried();
    expect(await value("retries_total")).toBe(2);
  });

  test("forget what waited when the queue drops it, and not what is under way", async () => {
    queue.added("a");
    queue.started("a");
    queue.added("b");
    queue.cleared();
    await clock.advance(1_000);
    expect(await value("depth")).toBe(0);
    expect(await value("longest_running_processor_seconds")).toBe(1);
  });

  test("ignore the end of work of which no beginning is known", async () => {
    queue.done("a");
    expect(await value("work_duration_seconds_count")).toBeUndefined();
  });

  test("are apart for each queue, which has a name of its own", async () => {
    metrics.workQueue("commands").added("a");
    expect(await value("depth")).toBe(0);
    expect(() => metrics.workQueue("commands")).toThrow(RangeError);
  });
});

describe("a work queue that is measured", () => {
  test("tells all of it: what waits, works, fails and is dropped", async () => {
    const works: PromiseWithResolvers<void>[] = [];
    const measured = new WorkQueue({
      clock,
      random: () => 0,
      concurrency: 1,
      work: () => {
        const work = Promise.withResolvers<void>();
        works.push(work);
        return work.promise;
      },
      onError: () => {},
      recorder: queue,
    });
    measured.add("a");
    measured.add("a");
    measured.add("b");
    measured.add("b");
    expect(await value("adds_total")).toBe(3);
    expect(await value("depth")).toBe(2);
    await clock.advance(1_000);
    expect(await value("unfinished_work_seconds")).toBe(1);
    works[0]?.reject(new Error("failed"));
    await settle();
    expect(await value("retries_total")).toBe(1);
    expect(await value("work_duration_seconds_sum")).toBe(1);
    expect(await value("queue_duration_seconds_count")).toBe(2);
    const stopped = measured.stop();
    expect(await value("depth")).toBe(0);
    works[1]?.resolve();
    await stopped;
    expect(await value("unfinished_work_seconds")).toBe(0);
  });
});

describe("the metrics of a reconciler", () => {
  const controller = "EdgeNode";

  async function of(name: string, labels: object = {}): Promise<number | undefined> {
    const exposed = new Exposition(await metrics.text());
    return exposed.value(`controller_runtime_${name}`, { controller, ...labels });
  }

  test.each(["success", "error", "requeue", "requeue_after"] as const)(
    "count a reconcile that ended with %s, and an error as such",
    async (result) => {
      const reconciler = metrics.reconciler(controller, 4);
      expect(await of("reconcile_total", { result })).toBe(0);
      reconciler.started()(result);
      expect(await of("reconcile_total", { result })).toBe(1);
      expect(await of("reconcile_errors_total")).toBe(result === "error" ? 1 : 0);
    },
  );

  test("tell who works now, and for how long who worked", async () => {
    const reconciler = metrics.reconciler(controller, 4);
    const first = reconciler.started();
    await clock.advance(1_000);
    const second = reconciler.started();
    await clock.advance(1_000);
    expect(await of("active_workers")).toBe(2);
    expect(await of("max_concurrent_reconciles")).toBe(4);
    first("success");
    second("success");
    expect(await of("active_workers")).toBe(0);
    expect(await of("reconcile_time_seconds_sum")).toBe(3);
  });

  test("count an end once", async () => {
    const ended = metrics.reconciler(controller, 4).started();
    ended("error");
    ended("success");
    expect(await of("active_workers")).toBe(0);
    expect(await of("reconcile_total", { result: "error" })).toBe(1);
    expect(await of("reconcile_total", { result: "success" })).toBe(0);
  });

  test("are apart for each reconciler, which has a name of its own", () => {
    metrics.reconciler(controller, 4);
    expect(() => metrics.reconciler(controller, 4)).toThrow(RangeError);
  });
});

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PHASES } from "../../../src/api/v1alpha1/edgecommand-status.ts";
import { createMetrics, type Metrics } from "../../../src/telemetry/metrics.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { Exposition } from "./exposition.ts";

function make(): { metrics: Metrics; clock: FakeClock; scrape: () => Promise<Exposition> } {
  const clock = new FakeClock();
  const metrics = createMetrics({ version: "1.2.3", clock, defaultMetrics: false });
  return { metrics, clock, scrape: async () => new Exposition(await metrics.text()) };
}

/** Uses everything once. */
function exercise(metrics: Metrics): void {
  metrics.reconciler("EdgeCommand", 16).started()("error");
  const queue = metrics.workQueue("EdgeCommand");
  queue.added("default/a");
  queue.started("default/a");
  queue.done("default/a");
  queue.retried();
  metrics.kubernetes.request({ method: "GET", host: "10.0.0.1:6443", code: 200 });
  metrics.kubernetes.watchRestarted("edgecommands", "gone");
  metrics.kubernetes.followLease("steward-controller", { isLeader: true });
  metrics.commands.acknowledged(20);
  metrics.commands.recorded(1_500);
  metrics.commands.resent();
  metrics.commands.rejected("ship1.event.hello");
  metrics.identity.distrusted("ship1.event.hello");
  metrics.identity.enrolled();
  metrics.identity.enrollmentRefused("TokenExpired");
  metrics.identity.revocationFailed();
  metrics.followBus({ connected: true, onConnectedChange: () => () => {} });
  metrics.processError({ process: "watch/edgenodes", severity: "error" });
  metrics.collectFrom({
    commands: () => ({ Running: 2 }),
    nodes: () => ({ ready: 3, notReady: 1 }),
    receiptsOutstanding: () => 4,
  });
}

/** The interface to dashboards and alerts: changing a row breaks somebody's. */
const CATALOGUE: readonly [name: string, type: string, labels: readonly string[]][] = [
  ["controller_runtime_active_workers", "gauge", ["controller"]],
  ["controller_runtime_max_concurrent_reconciles", "gauge", ["controller"]],
  ["controller_runtime_reconcile_errors_total", "counter", ["controller"]],
  ["controller_runtime_reconcile_time_seconds", "histogram", ["controller"]],
  ["controller_runtime_reconcile_total", "counter", ["controller", "result"]],
  ["leader_election_master_status", "gauge", ["name"]],
  ["rest_client_requests_total", "counter", ["code", "host", "method"]],
  ["steward_ack_latency_seconds", "histogram", []],
  ["steward_build_info", "gauge", ["version"]],
  ["steward_bus_connected", "gauge", []],
  ["steward_bus_reconnects_total", "counter", []],
  ["steward_command_latency_seconds", "histogram", []],
  ["steward_commands", "gauge", ["phase"]],
  ["steward_enrollments_refused_total", "counter", ["reason"]],
  ["steward_node_credentials_issued_total", "counter", []],
  ["steward_nodes", "gauge", ["ready"]],
  ["steward_process_errors_total", "counter", ["process_kind", "severity"]],
  ["steward_receipts_outstanding", "gauge", []],
  ["steward_rejected_messages_total", "counter", ["subject_kind"]],
  ["steward_resends_total", "counter", []],
  ["steward_revocation_failures_total", "counter", []],
  ["steward_untrusted_messages_total", "counter", ["subject_kind"]],
  ["steward_watch_restarts_total", "counter", ["reason", "resource"]],
  ["workqueue_adds_total", "counter", ["name"]],
  ["workqueue_depth", "gauge", ["name"]],
  ["workqueue_longest_running_processor_seconds", "gauge", ["name"]],
  ["workqueue_queue_duration_seconds", "histogram", ["name"]],
  ["workqueue_retries_total", "counter", ["name"]],
  ["workqueue_unfinished_work_seconds", "gauge", ["name"]],
  ["workqueue_work_duration_seconds", "histogram", ["name"]],
];

describe("the metrics", () => {
  test("are exactly those of the catalogue, with type, labels and help", async () => {
    const { metrics, scrape } = make();
    exercise(metrics);
    const { metrics: exposed } = await scrape();
    const rows = [...exposed]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { type, samples }]) => {
        const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
        labels.delete("le");
        return [name, type, [...labels].toSorted()];
      });
    expect(rows).toEqual(CATALOGUE);
    for (const { help } of exposed.values()) expect(help).toMatch(/^.+\.$/);
  });

  test("tell what was recorded", async () => {
    const { metrics, scrape } = make();
    exercise(metrics);
    const exposed = await scrape();
    const request = { code: "200", host: "10.0.0.1:6443", method: "GET" };
    const error = { process_kind: "watch", severity: "error" };
    expect(exposed.value("rest_client_requests_total", request)).toBe(1);
    expect(exposed.value("leader_election_master_status", { name: "steward-controller" })).toBe(1);
    expect(
      exposed.value("steward_watch_restarts_total", { resource: "edgecommands", reason: "gone" }),
    ).toBe(1);
    expect(exposed.value("steward_ack_latency_seconds_sum")).toBe(0.02);
    expect(exposed.value("steward_command_latency_seconds_sum")).toBe(1.5);
    expect(exposed.value("steward_command_latency_seconds_bucket", { le: "1" })).toBe(0);
    expect(exposed.value("steward_command_latency_seconds_bucket", { le: "2.5" })).toBe(1);
    expect(exposed.value("steward_resends_total")).toBe(1);
    expect(exposed.value("steward_process_errors_total", error)).toBe(1);
    expect(exposed.value("steward_build_info", { version: "1.2.3" })).toBe(1);
    expect(exposed.value("steward_nodes", { ready: "true" })).toBe(3);
    expect(exposed.value("steward_nodes", { ready: "false" })).toBe(1);
    expect(exposed.value("steward_receipts_outstanding")).toBe(4);
  });

  test("tell of the process and of Node unless told not to", async () => {
    const metrics = createMetrics({ version: "1.2.3", clock: new FakeClock() });
    const { metrics: exposed } = new Exposition(await metrics.text());
    expect([...exposed.keys()]).toEqual(
      expect.arrayContaining([
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "nodejs_eventloop_lag_p99_seconds",
        "steward_build_info",
      ]),
    );
  });

  test("of two programs in one process are their own", async () => {
    const one = make();
    const other = make();
    one.metrics.commands.resent();
    expect((await one.scrape()).value("steward_resends_total")).toBe(1);
    expect((await other.scrape()).value("steward_resends_total")).toBe(0);
  });

  test("keep a scrape readable whatever the version is", async () => {
    const metrics = createMetrics({
      version: 'a"b\\c\nd',
      clock: new FakeClock(),
      defaultMetrics: false,
    });
    const exposed = new Exposition(await metrics.text());
    expect(exposed.value("steward_build_info", { version: 'a\\"b\\\\c\\nd' })).toBe(1);
  });
});

describe("the census", () => {
  test("tells of every phase, and of what has none with 0", async () => {
    const { metrics, scrape } = make();
    exercise(metrics);
    const exposed = await scrape();
    for (const phase of PHASES) {
      expect(exposed.value("steward_commands", { phase })).toBe(phase === "Running" ? 2 : 0);
    }
  });

  test("is taken anew at every scrape", async () => {
    const { metrics, scrape } = make();
    let receipts = 1;
    metrics.collectFrom({
      commands: () => ({}),
      nodes: () => ({ ready: 0, notReady: 0 }),
      receiptsOutstanding: () => receipts,
    });
    expect((await scrape()).value("steward_receipts_outstanding")).toBe(1);
    receipts = 0;
    expect((await scrape()).value("steward_receipts_outstanding")).toBe(0);
  });

  test("that throws makes the scrape fail, not the process", async () => {
    const { metrics, scrape } = make();
    metrics.collectFrom({
      commands: () => {
        throw new Error("no cache");
      },
      nodes: () => ({ ready: 0, notReady: 0 }),
      receiptsOutstanding: () => 0,
    });
    await expect(scrape()).rejects.toThrow("no cache");
  });

  test("is empty before there is one", async () => {
    const exposed = await make().scrape();
    expect(exposed.value("steward_commands", { phase: "Pending" })).toBe(0);
    expect(exposed.value("steward_nodes", { ready: "true" })).toBe(0);
    expect(exposed.value("steward_receipts_outstanding")).toBe(0);
  });
});

describe("a duration", () => {
  test.each([
    { name: "is left out when it is no number", ms: Number.NaN, count: 0, sum: 0 },
    {
      name: "counts as 0 when the clocks of two machines make it negative",
      ms: -5,
      count: 1,
      sum: 0,
    },
  ])("$name", async ({ ms, count, sum }) => {
    const { metrics, scrape } = make();
    metrics.commands.recorded(ms);
    const exposed = await scrape();
    expect(exposed.value("steward_command_latency_seconds_count")).toBe(count);
    expect(exposed.value("steward_command_latency_seconds_sum")).toBe(sum);
  });
});

describe("labels", () => {
  test.each([
    ["ship1.event.hello", "hello"],
    ["ship1.event.result", "result"],
    ["ship1.event.error", "error"],
    ["ship1.command.shellcommand", "command"],
    ["a.subject.of.too.many.tokens.event.hello", "hello"],
    ["ship1.event.ship2", "other"],
    ["hello", "other"],
    ["", "other"],
  ])("of a rejected message on %j say %s", async (subject, kind) => {
    const { metrics, scrape } = make();
    metrics.commands.rejected(subject);
    const exposed = await scrape();
    expect(exposed.value("steward_rejected_messages_total", { subject_kind: kind })).toBe(1);
  });

  test.each([
    ["watch/edgenodes", "watch"],
    ["controller", "controller"],
    ["run-4f1a/shellcommand", "other"],
    ["", "other"],
  ])("of an error of the process %j say %s", async (process, kind) => {
    const { metrics, scrape } = make();
    metrics.processError({ process, severity: "warning" });
    const labels = { process_kind: kind, severity: "warning" };
    expect((await scrape()).value("steward_process_errors_total", labels)).toBe(1);
  });

  test.each([
    { name: "a status", code: 503, label: "503" },
    { name: "no answer", code: undefined, label: "<error>" },
    { name: "what is no status", code: 99_999, label: "<error>" },
  ])("of a request say $label for $name", async ({ code, label }) => {
    const { metrics, scrape } = make();
    metrics.kubernetes.request({ method: "PUT", host: "h", code });
    const labels = { code: label, host: "h", method: "PUT" };
    expect((await scrape()).value("rest_client_requests_total", labels)).toBe(1);
  });

  test("stay few whatever nodes, commands and servers are called or answer", async () => {
    const word = fc.string({ maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(word, fc.integer()), { maxLength: 50 }), async (names) => {
        const { metrics, scrape } = make();
        const queue = metrics.workQueue("EdgeCommand");
        for (const [name, number] of names) {
          queue.added(`ships/${name}`);
          queue.started(`ships/${name}`);
          metrics.commands.rejected(`${name}.event.${name}`);
          metrics.commands.rejected(name);
          metrics.processError({ process: `run-${number}/${name}`, severity: "error" });
          metrics.kubernetes.request({ method: "GET", host: "h", code: 600 + Math.abs(number) });
        }
        const { metrics: exposed } = await scrape();
        for (const { samples } of exposed.values()) expect(samples.length).toBeLessThan(20);
      }),
      { numRuns: 30 },
    );
  });
});

/** A bus whose connection comes and goes as the test says. */
function fakeBus(connected: boolean) {
  const listeners = new Set<(connected: boolean) => void>();
  const fake = {
    connected,
    onConnectedChange: (listener: (connected: boolean) => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    change: (to: boolean) => {
      fake.connected = to;
      for (const listener of listeners) listener(to);
    },
  };
  return fake;
}

describe("the broker's metrics", () => {
  test("do not count the first connection as one that came back", async () => {
    const { metrics, scrape } = make();
    const broker = fakeBus(false);
    metrics.followBus(broker);
    broker.change(true);
    const exposed = await scrape();
    expect(exposed.value("steward_bus_connected")).toBe(1);
    expect(exposed.value("steward_bus_reconnects_total")).toBe(0);
  });

  test.each([{ connected: true }, { connected: false }])(
    "count each later one, of a bus that was connected at first: $connected",
    async ({ connected }) => {
      const { metrics, scrape } = make();
      const broker = fakeBus(connected);
      metrics.followBus(broker);
      if (!connected) broker.change(true);
      broker.change(false);
      expect((await scrape()).value("steward_bus_connected")).toBe(0);
      broker.change(true);
      broker.change(false);
      broker.change(true);
      expect((await scrape()).value("steward_bus_reconnects_total")).toBe(2);
    },
  );

  test("are no longer followed once that is ended", async () => {
    const { metrics, scrape } = make();
    const broker = fakeBus(true);
    metrics.followBus(broker)();
    broker.change(false);
    broker.change(true);
    expect((await scrape()).value("steward_bus_reconnects_total")).toBe(0);
  });
});

describe("a lease", () => {
  test("has no sample before anything is known of it, then 1 for the leader and 0 for a standby", async () => {
    const { metrics, scrape } = make();
    const labels = { name: "steward-controller" };
    expect((await scrape()).value("leader_election_master_status", labels)).toBeUndefined();
    const elector = { isLeader: false };
    metrics.kubernetes.followLease("steward-controller", elector);
    expect((await scrape()).value("leader_election_master_status", labels)).toBe(0);
    elector.isLeader = true;
    expect((await scrape()).value("leader_election_master_status", labels)).toBe(1);
  });
});

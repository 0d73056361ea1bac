import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { LeaderElector, LeadershipLostError } from "../../../src/kubernetes/leader-election.ts";
import type { LeaseTimings } from "../../../src/kubernetes/lease-decision.ts";
import type { Transport } from "../../../src/kubernetes/transport.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createNamespace, sharedControlPlane, type Cluster } from "../../support/control-plane.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { connect, must, until } from "./world.ts";

/** Leadership that no load on this machine ends. */
const STEADY: LeaseTimings = {
  leaseMs: 120_000,
  renewDeadlineMs: 90_000,
  retryMs: 100,
  jitter: 1.2,
};
/** For tests in which a leader gives up or a lease runs out. */
const BRIEF: LeaseTimings = { leaseMs: 3_000, renewDeadlineMs: 2_000, retryMs: 100, jitter: 1.2 };

interface Runner extends AsyncDisposable {
  readonly elector: LeaderElector;
  readonly logger: RecordingLogger;
  /** What `run` came to. */
  readonly outcome: Promise<"resolved" | Error>;
  stop(): Promise<"resolved" | Error>;
}

interface Setting {
  readonly transport: Pick<Transport, "request">;
  readonly namespace: string;
  readonly timings: LeaseTimings;
  /** `NAME leads` and `NAME stops`, in order. */
  readonly story: string[];
}

/** An elector that runs until the scope ends. */
function candidate(identity: string, setting: Setting): Runner {
  const { transport, namespace, timings, story } = setting;
  const logger = new RecordingLogger();
  const stop = new AbortController();
  const elector = new LeaderElector({
    transport,
    namespace,
    name: "controller",
    identity,
    clock: systemClock,
    random: Math.random,
    logger,
    timings,
    onStartedLeading: (signal) =>
      new Promise((resolve) => {
        story.push(`${identity} leads`);
        signal.addEventListener("abort", () => {
          story.push(`${identity} stops`);
          resolve();
        });
      }),
  });
  const outcome = elector.run(stop.signal).then(
    () => "resolved" as const,
    (thrown: Error) => thrown,
  );
  const end = (): typeof outcome => {
    stop.abort();
    return outcome;
  };
  return {
    elector,
    logger,
    outcome,
    stop: end,
    [Symbol.asyncDispose]: async () => void (await end()),
  };
}

async function leaseField(cluster: Cluster, namespace: string, field: string): Promise<string> {
  const path = `jsonpath={.spec.${field}}`;
  return must(cluster, ["get", "lease", "controller", "-n", namespace, "-o", path]);
}

test("of many that begin at once exactly one leads, and kubectl shows who", async () => {
  const cluster = sharedControlPlane();
  const namespace = await createNamespace();
  await using transport = await connect(cluster.kubeconfigPath);
  await using stack = new AsyncDisposableStack();
  const setting = { transport, namespace, timings: STEADY, story: [] as string[] };
  const runners = ["a", "b", "c", "d", "e"].map((name) => stack.use(candidate(name, setting)));
  const followers = (): Runner[] => runners.filter(({ elector }) => !elector.isLeader);
  await until(() => followers().length === 4);
  await until(() => followers().every(({ logger }) => logger.lines.length > 0));

  const leader = runners.findIndex(({ elector }) => elector.isLeader);
  const name = "abcde"[leader];
  expect(setting.story).toEqual([`${name} leads`]);
  expect(await must(cluster, ["get", "lease", "-n", namespace])).toMatch(
    new RegExp(`^NAME +HOLDER +AGE\ncontroller +${name} `),
  );
  const renewed = await leaseField(cluster, namespace, "renewTime");
  expect(renewed).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  await until(async () => (await leaseField(cluster, namespace, "renewTime")) !== renewed);
  expect(await leaseField(cluster, namespace, "leaseTransitions")).toBe("0");
  for (const { logger } of followers()) {
    expect(logger.lines).toMatchObject([{ message: "another leads", fields: { leader: name } }]);
  }
});

test("a leader that is stopped hands over, long before its lease would run out", async () => {
  const cluster = sharedControlPlane();
  const namespace = await createNamespace();
  await using transport = await connect(cluster.kubeconfigPath);
  const setting = { transport, namespace, timings: STEADY, story: [] as string[] };
  await using first = candidate("a", setting);
  await until(() => first.elector.isLeader);
  await using second = candidate("b", setting);
  await until(() => second.logger.lines.length > 0);
  expect(await first.stop()).toBe("resolved");
  await until(() => second.elector.isLeader);
  expect(setting.story).toEqual(["a leads", "a stops", "b leads"]);
  expect(await leaseField(cluster, namespace, "holderIdentity")).toBe("b");
  expect(await leaseField(cluster, namespace, "leaseTransitions")).toBe("1");

  expect(await second.stop()).toBe("resolved");
  expect(await leaseField(cluster, namespace, "holderIdentity")).toBe("");
  expect(await leaseField(cluster, namespace, "leaseDurationSeconds")).toBe("1");
});

test("a leader that cannot renew has stopped before another begins", async () => {
  const cluster = sharedControlPlane();
  const namespace = await createNamespace();
  await using transport = await connect(cluster.kubeconfigPath);
  let isBlocked = false;
  const blockable: Setting["transport"] = {
    request: (request) => {
      return isBlocked ? new Promise<never>(() => undefined) : transport.request(request);
    },
  };
  const setting = { transport, namespace, timings: BRIEF, story: [] as string[] };
  await using first = candidate("a", { ...setting, transport: blockable });
  await until(() => setting.story.includes("a leads"));
  isBlocked = true;
  await using second = candidate("b", setting);
  await until(() => second.logger.lines.some(({ message }) => message === "became the leader"));
  expect(setting.story).toEqual(["a leads", "a stops", "b leads"]);
  expect(first.elector.isLeader).toBe(false);
  expect(await first.outcome).toBeInstanceOf(LeadershipLostError);
});

test("a leader whose lease is deleted makes a new one; one whose lease is cleared steps down", async () => {
  const cluster = sharedControlPlane();
  const namespace = await createNamespace();
  await using transport = await connect(cluster.kubeconfigPath);
  const setting = { transport, namespace, timings: STEADY, story: [] as string[] };
  await using only = candidate("a", setting);
  await until(() => only.elector.isLeader);
  const lease = ["lease", "controller", "-n", namespace];
  const uid = (): Promise<string> =>
    must(cluster, ["get", ...lease, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"]);
  const before = await uid();
  await must(cluster, ["delete", ...lease]);
  await until(async () => !["", before].includes(await uid()));
  await must(cluster, ["annotate", ...lease, "note=x"]);
  const renewed = await leaseField(cluster, namespace, "renewTime");
  await until(async () => (await leaseField(cluster, namespace, "renewTime")) !== renewed);
  expect(setting.story).toEqual(["a leads"]);

  await must(cluster, ["patch", ...lease, "--type=merge", "-p", '{"spec":{"holderIdentity":""}}']);
  expect(await only.outcome).toMatchObject({ message: "leadership lost: the lease was cleared" });
  expect(setting.story).toEqual(["a leads", "a stops"]);
});

const CHILD = `
const source = new URL("src/", process.argv[1]);
const from = (path) => import(new URL(path, source));
const { LeaderElector } = await from("kubernetes/leader-election.ts");
const { createTransport } = await from("kubernetes/transport.ts");
const { systemClock: clock } = await from("runtime/clock.ts");
const { createLogger } = await from("telemetry/logger.ts");
const { kubeconfigPath, namespace, timings } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\\n");
const logger = createLogger({ level: "error", name: "child", destination: { write: () => {} } });
const transport = await createTransport({ kubeconfigPath, logger, clock });
const elector = new LeaderElector({
  transport, namespace, name: "controller", identity: "child", clock, random: Math.random, logger, timings,
  onStartedLeading: (signal) => new Promise((resolve) => signal.addEventListener("abort", resolve)),
});
setInterval(() => {
  const at = String(process.hrtime.bigint());
  say({ at, leads: elector.isLeader });
}, 5);
elector.run(new AbortController().signal).catch((thrown) => {
  say({ at: String(process.hrtime.bigint()), leads: elector.isLeader, thrown: thrown.name });
  process.exit(3);
});
`;

interface ChildLine {
  /** Of CLOCK_MONOTONIC, which this machine's processes share; taken just before the question. */
  readonly at: string;
  readonly leads: boolean;
  readonly thrown?: string;
}

test("a leader that is stopped by SIGSTOP and goes on later never believes to lead beside another", async () => {
  const { kubeconfigPath } = sharedControlPlane();
  const namespace = await createNamespace();
  await using transport = await connect(kubeconfigPath);
  const root = new URL("../../../", import.meta.url).href;
  const given = JSON.stringify({ kubeconfigPath, namespace, timings: BRIEF });
  const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD, root, given], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await using _ = { [Symbol.asyncDispose]: async () => void child.kill("SIGKILL") };
  const exited = new Promise((resolve) => child.once("close", resolve));
  const lines: ChildLine[] = [];
  createInterface(child.stdout).on("line", (line) => lines.push(JSON.parse(line) as ChildLine));
  await until(() => lines.some(({ leads }) => leads));

  child.kill("SIGSTOP");
  let otherLeadsAt = 0n;
  const stop = new AbortController();
  const other = new LeaderElector({
    transport,
    namespace,
    name: "controller",
    identity: "other",
    clock: systemClock,
    random: Math.random,
    logger: new RecordingLogger(),
    timings: STEADY,
    onStartedLeading: async (signal) => {
      otherLeadsAt = process.hrtime.bigint();
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
    },
  });
  const running = other.run(stop.signal);
  await until(() => other.isLeader);
  child.kill("SIGCONT");
  expect(await exited).toBe(3);
  expect(lines.at(-1)).toMatchObject({ leads: false, thrown: "LeadershipLostError" });
  expect(lines.filter(({ at, leads }) => leads && BigInt(at) >= otherLeadsAt)).toEqual([]);
  expect(lines.some(({ at }) => BigInt(at) >= otherLeadsAt)).toBe(true);
  expect(other.isLeader).toBe(true);
  stop.abort();
  await running;
});

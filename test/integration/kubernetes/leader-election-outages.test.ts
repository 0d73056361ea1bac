import { beforeAll, expect, test } from "vitest";
import { LeaderElector, LeadershipLostError } from "../../../src/kubernetes/leader-election.ts";
import type { LeaseTimings } from "../../../src/kubernetes/lease-decision.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { startOwnControlPlane, type OwnControlPlane } from "../../support/control-plane.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { connect, until } from "./world.ts";

let plane: OwnControlPlane;

beforeAll(async () => {
  plane = await startOwnControlPlane();
  return () => plane[Symbol.asyncDispose]();
}, 240_000);

interface Leader extends AsyncDisposable {
  readonly elector: LeaderElector;
  /** Of the work. */
  readonly signal: AbortSignal;
  readonly outcome: Promise<"resolved" | Error>;
  told(message: string): boolean;
}

async function leader(timings: LeaseTimings): Promise<Leader> {
  await using stack = new AsyncDisposableStack();
  const namespace = await plane.createNamespace();
  const transport = stack.use(await connect(plane.kubeconfigPath));
  const logger = new RecordingLogger();
  const stop = new AbortController();
  const started = Promise.withResolvers<AbortSignal>();
  const elector = new LeaderElector({
    transport,
    namespace,
    name: "controller",
    identity: "a",
    clock: systemClock,
    random: Math.random,
    logger,
    timings,
    onStartedLeading: (signal) => {
      started.resolve(signal);
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve());
      });
    },
  });
  const outcome = elector.run(stop.signal).then(
    () => "resolved" as const,
    (thrown: Error) => thrown,
  );
  stack.defer(async () => {
    stop.abort();
    await outcome;
  });
  const signal = await started.promise;
  const running = stack.move();
  return {
    elector,
    signal,
    outcome,
    told: (message) => logger.lines.some((line) => line.message.includes(message)),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

test("an API server that is killed and comes back in time takes leadership from nobody", async () => {
  const timings = { leaseMs: 240_000, renewDeadlineMs: 200_000, retryMs: 200, jitter: 1.2 };
  await using leading = await leader(timings);
  await plane.components["kube-apiserver"].kill9();
  await until(() => leading.told("cannot be read or written"));
  expect(leading.elector.isLeader).toBe(true);
  await plane.components["kube-apiserver"].restart();
  await until(() => leading.told("can be read and written again"));
  expect(leading.elector.isLeader).toBe(true);
  expect(leading.signal.aborted).toBe(false);
});

const outages = [
  { name: "is killed", begin: "kill9", end: "restart" },
  { name: "does not answer", begin: "pause", end: "resume" },
] as const;

test.each(outages)("an API server that $name for too long ends leadership", async (outage) => {
  const timings = { leaseMs: 3_000, renewDeadlineMs: 2_000, retryMs: 200, jitter: 1.2 };
  await using leading = await leader(timings);
  const server = plane.components["kube-apiserver"];
  await server[outage.begin]();
  await until(() => leading.signal.aborted);
  expect(leading.signal.reason).toBeInstanceOf(LeadershipLostError);
  expect(leading.elector.isLeader).toBe(false);
  expect(await leading.outcome).toBe(leading.signal.reason);
  await server[outage.end]();

  await using again = await leader(timings);
  expect(again.told("became the leader")).toBe(true);
});

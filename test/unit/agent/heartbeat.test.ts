import { expect, test } from "vitest";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import { Heartbeat } from "../../../src/agent/heartbeat.ts";
import type { RequestOutcome } from "../../../src/protocol/bus.ts";
import { encodeMessage } from "../../../src/protocol/envelope.ts";
import { helloReplyMessage, type Hello, type HelloReply } from "../../../src/protocol/hello.ts";
import { CLUSTER_ID } from "./controller-side.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { settle } from "./settle.ts";
import { ScriptedBus } from "./scripted-bus.ts";

const TIME = "2026-11-24T06:00:00.000Z";
const OTHER_CLUSTER = "c2c2c2c2-0000-4000-8000-000000000002";
const hello: Hello = {
  namespace: "default",
  sessionID: CLUSTER_ID,
  bootID: CLUSTER_ID,
  ledgerID: CLUSTER_ID,
  ledgerCounter: 0,
  agentVersion: "1",
  protocol: { min: 1, max: 1 },
  methods: [],
  facts: { os: "", arch: "", kernel: "", hostname: "" },
  runs: [],
  runsWithoutReceipt: 0,
};
const accepted: HelloReply = { accepted: true, time: TIME, clusterID: CLUSTER_ID };

function reply(message: HelloReply): RequestOutcome {
  return { kind: "reply", data: encodeMessage(helloReplyMessage, message) };
}

async function start(): Promise<{
  bus: ScriptedBus;
  clock: FakeClock;
  logger: RecordingLogger;
  heartbeat: Heartbeat;
  controllerClock: ControllerClock;
  pinned: string[];
  accepts: () => number;
  answer: (outcome: RequestOutcome) => Promise<void>;
}> {
  const bus = new ScriptedBus();
  const clock = new FakeClock();
  const logger = new RecordingLogger();
  const controllerClock = new ControllerClock(clock);
  const pinned: string[] = [];
  let acceptedHellos = 0;
  const heartbeat = new Heartbeat({
    node: "ship1",
    intervalMs: 30_000,
    bus,
    clock,
    random: () => 0.5,
    logger,
    controllerClock,
    hello: () => hello,
    cluster: {
      get clusterID() {
        return pinned[0];
      },
      pinCluster: async (id) => {
        pinned.push(id);
      },
    },
    onAccepted: () => {
      acceptedHellos += 1;
    },
  });
  void heartbeat.run(new AbortController().signal);
  const answer = async (outcome: RequestOutcome): Promise<void> => {
    bus.requests.at(-1)?.answer(outcome);
    await settle();
  };
  return {
    bus,
    clock,
    logger,
    heartbeat,
    controllerClock,
    pinned,
    accepts: () => acceptedHellos,
    answer,
  };
}

test("a hello that is accepted pins the cluster, sets the time, and is repeated at the interval", async () => {
  const { bus, clock, controllerClock, pinned, accepts, answer } = await start();
  expect(bus.requests.map(({ subject }) => subject)).toEqual(["ship1.event.hello"]);
  await answer(reply(accepted));
  expect(controllerClock.timestamp()).toBe(TIME);
  expect(pinned).toEqual([CLUSTER_ID]);
  expect(accepts()).toBe(1);
  await clock.advance(29_999);
  expect(bus.requests).toHaveLength(1);
  await clock.advance(1);
  expect(bus.requests).toHaveLength(2);
  await answer(reply(accepted));
  expect(pinned).toEqual([CLUSTER_ID]);
});

test("without an answer it says hello again soon, then less and less often up to the interval", async () => {
  const { bus, clock, answer } = await start();
  const pauses = [];
  for (const outcome of ["noResponders", "timeout", "disconnected", "noResponders"] as const) {
    const before = clock.monotonic();
    const said = bus.requests.length;
    await answer({ kind: outcome });
    while (bus.requests.length === said) await clock.advance(125);
    pauses.push(clock.monotonic() - before);
  }
  expect(pauses).toEqual([750, 1_500, 3_000, 6_000]);
  for (let more = 0; more < 8; more += 1) {
    await answer({ kind: "noResponders" });
    await clock.advance(30_000);
  }
  expect(bus.requests).toHaveLength(13);
});

test("it says hello at once on a new connection and when it is asked", async () => {
  const { bus, heartbeat, answer } = await start();
  await answer(reply(accepted));
  bus.setConnected(false);
  await settle();
  expect(bus.requests).toHaveLength(1);
  bus.setConnected(true);
  await settle();
  expect(bus.requests).toHaveLength(2);
  await answer(reply(accepted));
  heartbeat.sayNow();
  await settle();
  expect(bus.requests).toHaveLength(3);
});

test("asked while a hello is under way, it says one more, however often it was asked", async () => {
  const { bus, heartbeat, answer } = await start();
  heartbeat.sayNow();
  heartbeat.sayNow();
  await answer(reply(accepted));
  expect(bus.requests).toHaveLength(2);
  await answer(reply(accepted));
  expect(bus.requests).toHaveLength(2);
});

test("another cluster is refused: it sets no time, and is logged once", async () => {
  const { clock, controllerClock, logger, accepts, answer } = await start();
  await answer(reply(accepted));
  for (let again = 0; again < 3; again += 1) {
    await clock.advance(30_000);
    await answer(
      reply({ ...accepted, time: "2040-01-01T00:00:00.000Z", clusterID: OTHER_CLUSTER }),
    );
  }
  expect(accepts()).toBe(1);
  expect(controllerClock.now()).toBeLessThan(Date.parse("2027-01-01T00:00:00.000Z"));
  const warnings = logger.lines.filter(({ level }) => level === "warn");
  expect(warnings).toHaveLength(1);
  expect(warnings[0]?.message).toContain(OTHER_CLUSTER);
});

test("a refusal is logged once for each reason, and hello is said again at the interval", async () => {
  const { bus, clock, logger, accepts, answer } = await start();
  const refusals: HelloReply[] = [
    { accepted: false, reason: "NameConflict", message: "taken" },
    { accepted: false, reason: "NameConflict", message: "taken" },
    { accepted: false, reason: "NotRegistered", message: "unknown" },
  ];
  for (const refusal of refusals) {
    await answer(reply(refusal));
    await clock.advance(30_000);
  }
  expect(bus.requests).toHaveLength(4);
  expect(accepts()).toBe(0);
  expect(logger.lines.map(({ message }) => message)).toEqual([
    "no hello is accepted: taken",
    "no hello is accepted: unknown",
  ]);
});

test("a reply that cannot be read is a refusal like another", async () => {
  const { bus, clock, accepts, answer } = await start();
  await answer({ kind: "reply", data: new TextEncoder().encode("{}") });
  await clock.advance(30_000);
  expect(accepts()).toBe(0);
  expect(bus.requests).toHaveLength(2);
});

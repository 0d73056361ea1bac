import { expect, test } from "vitest";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import { Heartbeat } from "../../../src/agent/heartbeat.ts";
import type { RequestOutcome } from "../../../src/protocol/bus.ts";
import type { OwnHello } from "../../../src/agent/own-hello.ts";
import { UntrustedReports } from "../../../src/agent/untrusted-reports.ts";
import type { CommandKeySet } from "../../../src/protocol/command-keys.ts";
import { decodeMessage, encodeReply } from "../../../src/protocol/envelope.ts";
import {
  helloMessage,
  helloReplyMessage,
  type Hello,
  type HelloReply,
} from "../../../src/protocol/hello.ts";
import { ErrorKernel, type ProcessError } from "../../../src/runtime/errorkernel.ts";
import { agentSecurity, TRUST_IN_NODE } from "../../support/agent-security.ts";
import { CONTROLLER_SIGNERS, NODE_SIGNERS, TOKEN_KEY } from "../../support/test-keys.ts";
import { CLUSTER_ID } from "./controller-side.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { settle } from "./settle.ts";
import { ScriptedBus } from "./scripted-bus.ts";

const TIME = "2026-11-24T06:00:00.000Z";
const OTHER_CLUSTER = "c2c2c2c2-0000-4000-8000-000000000002";
const hello: OwnHello = {
  namespace: "default",
  sealingKey: agentSecurity().sealingKey.publicKey,
  trustSerial: 1,
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
const told = { time: TIME, clusterID: CLUSTER_ID };
const accepted: HelloReply = { accepted: true, ...told };
const stale: HelloReply = { accepted: false, reason: "Stale", message: "too old", ...told };

interface Started {
  bus: ScriptedBus;
  clock: FakeClock;
  logger: RecordingLogger;
  heartbeat: Heartbeat;
  controllerClock: ControllerClock;
  pinned: string[];
  accepts: () => number;
  /** Of `learn`, whether it failed or not. */
  learned: CommandKeySet[];
  reports: ProcessError[];
  /** The hello that was said as number `index`, as a controller reads it. */
  said: (index: number) => Hello;
  answer: (outcome: RequestOutcome) => Promise<void>;
  /** A reply to the latest hello, unless `to` says to which. */
  reply: (message: HelloReply, options?: ReplyOptions) => Promise<void>;
}

interface ReplyOptions {
  readonly to?: number;
  readonly signers?: typeof CONTROLLER_SIGNERS;
}

async function start(
  learn: (keys: CommandKeySet) => Promise<void> = async () => undefined,
): Promise<Started> {
  const bus = new ScriptedBus();
  const clock = new FakeClock();
  const logger = new RecordingLogger();
  const controllerClock = new ControllerClock(clock);
  const pinned: string[] = [];
  const learned: CommandKeySet[] = [];
  const reports: ProcessError[] = [];
  const kernel = new ErrorKernel({
    logger,
    onReport: (report) => reports.push(report),
    onShutdown: () => undefined,
  });
  const security = agentSecurity({
    learn: async (keys) => {
      learned.push(keys);
      await learn(keys);
    },
  });
  let acceptedHellos = 0;
  const heartbeat = new Heartbeat({
    node: "ship1",
    intervalMs: 30_000,
    bus,
    clock,
    random: () => 0.5,
    logger,
    kernel,
    security,
    untrusted: new UntrustedReports({ clock, kernel }),
    controllerClock,
    hello: () => hello,
    onTime: () => undefined,
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
  const dataOf = (index: number): Uint8Array => bus.requests.at(index)?.data ?? new Uint8Array();
  const reply: Started["reply"] = (message, { to = -1, signers = CONTROLLER_SIGNERS } = {}) => {
    const data = encodeReply(helloReplyMessage, message, { request: dataOf(to), signers });
    return answer({ kind: "reply", data });
  };
  return {
    bus,
    clock,
    logger,
    heartbeat,
    controllerClock,
    pinned,
    accepts: () => acceptedHellos,
    learned,
    reports,
    said: (index) => decodeMessage(helloMessage, dataOf(index), TRUST_IN_NODE),
    answer,
    reply,
  };
}

test("a hello that is accepted pins the cluster, sets the time, and is repeated at the interval", async () => {
  const { bus, clock, controllerClock, pinned, accepts, reply } = await start();
  expect(bus.requests.map(({ subject }) => subject)).toEqual(["ship1.event.hello"]);
  await reply(accepted);
  expect(controllerClock.timestamp()).toBe(TIME);
  expect(pinned).toEqual([CLUSTER_ID]);
  expect(accepts()).toBe(1);
  await clock.advance(29_999);
  expect(bus.requests).toHaveLength(1);
  await clock.advance(1);
  expect(bus.requests).toHaveLength(2);
  await reply(accepted);
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
  const { bus, heartbeat, reply } = await start();
  await reply(accepted);
  bus.setConnected(false);
  await settle();
  expect(bus.requests).toHaveLength(1);
  bus.setConnected(true);
  await settle();
  expect(bus.requests).toHaveLength(2);
  await reply(accepted);
  heartbeat.sayNow();
  await settle();
  expect(bus.requests).toHaveLength(3);
});

test("asked while a hello is under way, it says one more, however often it was asked", async () => {
  const { bus, heartbeat, reply } = await start();
  heartbeat.sayNow();
  heartbeat.sayNow();
  await reply(accepted);
  expect(bus.requests).toHaveLength(2);
  await reply(accepted);
  expect(bus.requests).toHaveLength(2);
});

test("another cluster is refused: it sets no time, teaches no keys, and is logged once", async () => {
  const { clock, controllerClock, logger, accepts, learned, reply } = await start();
  await reply(accepted);
  for (let again = 0; again < 3; again += 1) {
    await clock.advance(30_000);
    await reply({
      accepted: true,
      time: "2040-01-01T00:00:00.000Z",
      clusterID: OTHER_CLUSTER,
      commandKeys: { serial: 9, keys: [TOKEN_KEY.publicKey] },
    });
  }
  expect(accepts()).toBe(1);
  expect(learned).toEqual([]);
  expect(controllerClock.now()).toBeLessThan(Date.parse("2027-01-01T00:00:00.000Z"));
  const warnings = logger.lines.filter(({ level }) => level === "warn");
  expect(warnings).toHaveLength(1);
  expect(warnings[0]?.message).toContain(OTHER_CLUSTER);
});

test("a refusal is logged once for each reason, and hello is said again at the interval", async () => {
  const { bus, clock, logger, accepts, reply } = await start();
  const refusals: HelloReply[] = [
    { accepted: false, reason: "NameConflict", message: "taken", ...told },
    { accepted: false, reason: "NameConflict", message: "taken", ...told },
    { accepted: false, reason: "NotRegistered", message: "unknown", ...told },
  ];
  for (const refusal of refusals) {
    await reply(refusal);
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

test("each hello says its number and, once the time is known, when it was said", async () => {
  const { clock, said, reply } = await start();
  expect(said(0)).toMatchObject({ sequence: 1, trustSerial: 1 });
  expect(said(0)).not.toHaveProperty("signedAt");
  await reply(accepted);
  await clock.advance(30_000);
  expect(said(1)).toMatchObject({ sequence: 2, signedAt: "2026-11-24T06:00:30.000Z" });
});

test("a stale hello is said again at once, at the time that the reply told", async () => {
  const { said, accepts, bus, reply } = await start();
  await reply(stale);
  expect(bus.requests).toHaveLength(2);
  expect(said(1)).toMatchObject({ sequence: 2, signedAt: TIME });
  expect(accepts()).toBe(0);
  await reply(accepted);
  expect(accepts()).toBe(1);
  expect(bus.requests).toHaveLength(2);
});

test("if its hellos stay stale, it says three more at once, and then keeps to the interval", async () => {
  const { bus, clock, reply } = await start();
  for (const soFar of [1, 2, 3]) {
    await reply(stale);
    expect(bus.requests).toHaveLength(soFar + 1);
  }
  await reply(stale);
  expect(bus.requests).toHaveLength(4);
  await clock.advance(30_000);
  await reply(stale);
  expect(bus.requests).toHaveLength(5);
});

test("a refusal tells the time and the keys as well", async () => {
  const { controllerClock, learned, reply } = await start();
  const commandKeys = { serial: 2, keys: [TOKEN_KEY.publicKey] };
  await reply({ accepted: false, reason: "NotRegistered", message: "", ...told, commandKeys });
  expect(controllerClock.timestamp()).toBe(TIME);
  expect(learned).toEqual([commandKeys]);
});

test("keys that cannot be kept are reported, and the hello counts", async () => {
  const { accepts, reports, reply } = await start(() => Promise.reject(new Error("disk full")));
  await reply({ ...accepted, commandKeys: { serial: 2, keys: [TOKEN_KEY.publicKey] } });
  expect(accepts()).toBe(1);
  expect(reports).toMatchObject([{ process: "heartbeat", severity: "warning" }]);
});

test.each([
  ["nobody signed", { signers: [] }],
  ["a stranger signed", { signers: NODE_SIGNERS }],
  ["answers an earlier hello", { to: 0 }],
])("a reply that %s changes nothing", async (_, options) => {
  const { clock, controllerClock, accepts, learned, reply } = await start();
  await reply(accepted);
  await clock.advance(30_000);
  const before = controllerClock.timestamp();
  const commandKeys = { serial: 9, keys: [TOKEN_KEY.publicKey] };
  const lie = { ...accepted, time: "2040-01-01T00:00:00.000Z", commandKeys };
  await reply(lie, options);
  expect(controllerClock.timestamp()).toBe(before);
  expect([accepts(), learned]).toEqual([1, []]);
});

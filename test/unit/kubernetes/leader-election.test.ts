import { expect, test } from "vitest";
import { LeaderElector, LeadershipLostError } from "../../../src/kubernetes/leader-election.ts";
import type { LeaseSpec } from "../../../src/kubernetes/lease.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { LeaseServer, refusal, type Fate } from "./lease-server.ts";

const theirs: LeaseSpec = {
  holderIdentity: "other",
  leaseDurationSeconds: 15,
  acquireTime: "2026-01-01T00:00:00.000000Z",
  renewTime: "2026-01-01T00:00:00.000000Z",
  leaseTransitions: 0,
};

interface Given {
  readonly server?: LeaseServer;
  readonly clock?: Clock;
  readonly identity?: string;
  /** What the leader does; nothing, until it is told to stop, unless told. */
  readonly work?: (signal: AbortSignal) => Promise<void>;
}

class World {
  readonly time = new FakeClock();
  readonly server: LeaseServer;
  readonly logger = new RecordingLogger();
  readonly elector: LeaderElector;
  readonly stop = new AbortController();
  /** What happened, in order. */
  readonly story: string[] = [];
  ended: "running" | "resolved" | Error = "running";

  constructor({ server = new LeaseServer(), clock, identity = "me", work = untilAborted }: Given) {
    this.server = server;
    this.elector = new LeaderElector({
      transport: server,
      namespace: "steward",
      name: "controller",
      identity,
      clock: clock ?? this.time,
      random: () => 0.5,
      logger: this.logger,
      onStartedLeading: (signal) => {
        this.story.push("leads");
        signal.addEventListener("abort", () => {
          this.story.push(`aborted by ${identity} at ${this.time.monotonic()}`);
        });
        return work(signal);
      },
    });
  }

  start(): void {
    this.ended = "running";
    this.elector.run(this.stop.signal).then(
      () => (this.ended = "resolved"),
      (thrown: Error) => (this.ended = thrown),
    );
  }

  /** Started, and so far that it leads. */
  static async leading(given: Given = {}): Promise<World> {
    const world = new World(given);
    world.start();
    await settle();
    expect(world.elector.isLeader).toBe(true);
    return world;
  }

  logged(level: string): string[] {
    return this.logger.lines.filter((line) => line.level === level).map(({ message }) => message);
  }
}

/** Of a process that was stopped for a while: time went on, and nobody woke. */
class StoppableClock {
  readonly fake = new FakeClock();
  stoppedMs = 0;
  readonly clock: Clock = {
    now: () => this.fake.now() + this.stoppedMs,
    monotonic: () => this.fake.monotonic() + this.stoppedMs,
    sleep: (ms, signal) => this.fake.sleep(ms, signal),
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

test("the first creates the lease, leads, and renews it with one request every retryMs", async () => {
  const world = await World.leading();
  expect(world.server.lease?.spec).toEqual({
    holderIdentity: "me",
    leaseDurationSeconds: 15,
    acquireTime: "2026-01-01T00:00:00.000000Z",
    renewTime: "2026-01-01T00:00:00.000000Z",
    leaseTransitions: 0,
  });
  await world.time.advance(6_000);
  expect(world.server.asked).toEqual(["GET", "POST", "PUT", "PUT", "PUT"]);
  expect(world.server.lease?.spec).toMatchObject({
    acquireTime: "2026-01-01T00:00:00.000000Z",
    renewTime: "2026-01-01T00:00:06.000000Z",
  });
  expect(world.story).toEqual(["leads"]);
});

test("a held lease is taken when it was seen unchanged for its duration, whatever the clocks say", async () => {
  const world = new World({});
  world.server.put(theirs);
  world.start();
  world.time.shiftWallClock(86_400_000);
  await world.time.advance(14_900);
  world.time.shiftWallClock(-10 * 86_400_000);
  expect(world.story).toEqual([]);
  await world.time.advance(2_400);
  expect(world.story).toEqual(["leads"]);
  expect(world.server.written).toEqual(["PUT me@1"]);
});

test("a lease that is renewed is never taken, one that is only labelled is", async () => {
  const world = new World({});
  world.start();
  world.server.put(theirs);
  for (let second = 0; second < 60; second += 2) {
    world.server.put({ ...theirs, renewTime: `2026-01-01T00:00:${second}.000000Z` });
    await world.time.advance(2_000);
  }
  expect(world.server.written).toEqual([]);
  const spec = world.server.lease?.spec ?? {};
  for (let second = 0; second < 20; second += 2) {
    if (!world.elector.isLeader) world.server.put(spec, { second: String(second) });
    await world.time.advance(2_000);
  }
  expect(world.elector.isLeader).toBe(true);
});

test("a released lease is taken with the next look, which is less than 3 s away", async () => {
  const world = new World({});
  world.server.put(theirs);
  world.start();
  await world.time.advance(7_000);
  world.server.put({ ...theirs, holderIdentity: "", leaseDurationSeconds: 1 });
  await world.time.advance(2_400);
  expect(world.server.written).toEqual(["PUT me@1"]);
});

interface Outage {
  readonly name: string;
  readonly fate: Fate;
  /** The first error. */
  readonly cause: string;
}

const outages: readonly Outage[] = [
  { name: "refuses", fate: "refuse", cause: "connection refused" },
  { name: "hangs", fate: "hang", cause: "no answer within 5000 ms" },
];

test.each(outages)("when the server $name, leadership ends at the deadline", async (outage) => {
  const { fate, cause } = outage;
  const world = await World.leading();
  await world.time.advance(4_000);
  world.server.fate = () => fate;
  await world.time.advance(9_999);
  expect(world.elector.isLeader).toBe(true);
  expect(world.story).toEqual(["leads"]);
  await world.time.advance(1);
  expect(world.elector.isLeader).toBe(false);
  expect(world.story).toEqual(["leads", "aborted by me at 14000"]);
  expect(world.ended).toBeInstanceOf(LeadershipLostError);
  expect(world.ended).toMatchObject({
    message: "leadership lost: not renewed within 10000 ms",
    cause: { name: "TransportError", message: cause },
  });
  expect(world.server.lease?.spec?.holderIdentity).toBe("me");
});

test.each(outages)("when the server $name for less, nothing happens", async ({ fate }) => {
  const world = await World.leading();
  await world.time.advance(4_000);
  world.server.fate = () => fate;
  await world.time.advance(6_000);
  world.server.fate = () => "answer";
  await world.time.advance(60_000);
  expect(world.story).toEqual(["leads"]);
  expect(world.elector.isLeader).toBe(true);
  expect(world.logged("warn")).toHaveLength(1);
  expect(world.logged("info")).toEqual([
    "became the leader",
    "the lease can be read and written again",
  ]);
});

test("a process that was stopped does not lead before it has looked, and renews nothing", async () => {
  const time = new StoppableClock();
  const world = await World.leading({ clock: time.clock });
  time.stoppedMs = 9_999;
  expect(world.elector.isLeader).toBe(true);
  time.stoppedMs = 10_000;
  expect(world.elector.isLeader).toBe(false);
  expect(world.elector.renewalAgeMs).toBe(10_000);
  await time.fake.advance(2_000);
  expect(world.story).toHaveLength(2);
  expect(world.ended).toBeInstanceOf(LeadershipLostError);
  expect(world.server.asked).toEqual(["GET", "POST"]);
});

test("a renewal counts from its start, however late its answer", async () => {
  const world = await World.leading();
  world.server.after = () => world.time.sleep(1_000);
  await world.time.advance(3_000);
  expect(world.elector.renewalAgeMs).toBe(1_000);
  world.server.fate = () => "refuse";
  await world.time.advance(60_000);
  expect(world.story).toEqual(["leads", "aborted by me at 12000"]);
});

test("a renewal whose answer comes after the deadline does not bring leadership back", async () => {
  const time = new StoppableClock();
  const world = await World.leading({ clock: time.clock });
  world.server.fate = () => "refuse";
  await time.fake.advance(7_000);
  world.server.fate = () => "answer";
  world.server.after = async ({ method }) => {
    if (method === "PUT") time.stoppedMs = 2_500;
  };
  await time.fake.advance(1_000);
  expect(world.server.written).toEqual(["POST me@0", "PUT me@0"]);
  expect(world.elector.isLeader).toBe(false);
  await time.fake.advance(2_000);
  expect(world.ended).toBeInstanceOf(LeadershipLostError);
});

test("a lease won by a write that took too long is worth nothing until it is renewed", async () => {
  const time = new StoppableClock();
  const server = new LeaseServer();
  server.after = async ({ method }) => {
    if (method === "POST") time.stoppedMs = 20_000;
  };
  const world = new World({ server, clock: time.clock });
  world.start();
  await settle();
  expect(server.written).toEqual(["POST me@0"]);
  expect(world.story).toEqual([]);
  await time.fake.advance(2_400);
  expect(server.written).toEqual(["POST me@0", "PUT me@0"]);
  expect(world.story).toEqual(["leads"]);
});

test("a write whose answer was lost is looked up, not done again", async () => {
  const world = new World({});
  world.server.fate = ({ method }) => (method === "POST" ? "lose" : "answer");
  world.start();
  await world.time.advance(2_400);
  expect(world.server.written).toEqual(["POST me@0", "PUT me@0"]);
  expect(world.story).toEqual(["leads"]);
  world.server.fate = ({ method }) => (method === "PUT" ? "lose" : "answer");
  await world.time.advance(4_000);
  world.server.fate = () => "answer";
  await world.time.advance(30_000);
  expect(world.story).toEqual(["leads"]);
});

test("one who is beaten to the creation follows", async () => {
  const world = new World({});
  world.server.before = ({ method }) => {
    if (method === "POST" && world.server.lease === undefined) world.server.put(theirs);
  };
  world.start();
  await world.time.advance(5_000);
  expect(world.server.asked.slice(0, 3)).toEqual(["GET", "POST", "GET"]);
  expect(world.server.written).toEqual([]);
  expect(world.logger.lines).toEqual([
    {
      level: "info",
      message: "another leads",
      fields: { lease: "steward/controller", identity: "me", leader: "other" },
    },
  ]);
});

test("a leader whose lease somebody labelled renews it in the same round", async () => {
  const world = await World.leading();
  world.server.put(world.server.lease?.spec ?? {}, { team: "x" });
  await world.time.advance(2_000);
  expect(world.server.asked).toEqual(["GET", "POST", "PUT", "GET", "PUT"]);
  expect(world.server.lease?.metadata.labels).toEqual({ team: "x" });
  expect(world.story).toEqual(["leads"]);
  expect(world.logged("warn")).toEqual([]);
});

test("a leader whose lease was deleted makes a new one", async () => {
  const world = await World.leading();
  world.server.lease = undefined;
  await world.time.advance(2_000);
  expect(world.server.written).toEqual(["POST me@0", "POST me@0"]);
  expect(world.story).toEqual(["leads"]);
});

test("a leader that finds another's name stops at once", async () => {
  const world = await World.leading();
  world.server.put(theirs);
  await world.time.advance(2_000);
  expect(world.story).toEqual(["leads", "aborted by me at 2000"]);
  expect(world.ended).toMatchObject({ message: "leadership lost: other leads" });
  expect(world.logged("info")).toEqual(["became the leader", "another leads"]);
  expect(world.logged("error")).toEqual(["leadership lost: other leads"]);
});

test("without rights to write it says so once, and goes on trying", async () => {
  const world = new World({});
  world.server.before = ({ method }) => {
    if (method !== "GET") throw refusal(403, "Forbidden");
  };
  world.start();
  await world.time.advance(60_000);
  expect(world.logged("warn")).toEqual(["the lease cannot be read or written: 403 Forbidden"]);
  expect(world.logged("info")).toEqual([]);
  world.server.before = () => undefined;
  await world.time.advance(2_400);
  expect(world.story).toEqual(["leads"]);
});

test("on stop the work ends first, then the lease is free", async () => {
  const work = Promise.withResolvers<void>();
  const world = await World.leading({ work: () => work.promise });
  await world.time.advance(4_000);
  world.stop.abort();
  await world.time.advance(1_000);
  expect(world.story).toEqual(["leads", "aborted by me at 4000"]);
  expect(world.server.lease?.spec?.holderIdentity).toBe("me");
  expect(world.elector.isLeader).toBe(true);
  work.resolve();
  await settle();
  expect(world.elector.isLeader).toBe(false);
  expect(world.ended).toBe("resolved");
  expect(world.server.lease?.spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
});

test("work that does not end in time keeps the lease from being released", async () => {
  const world = await World.leading({ work: () => new Promise(() => undefined) });
  await world.time.advance(4_000);
  world.stop.abort();
  await world.time.advance(10_000);
  expect(world.ended).toBe("resolved");
  expect(world.server.lease?.spec?.holderIdentity).toBe("me");
  expect(world.logged("warn")).toHaveLength(1);
});

test("a lost leader waits for its work until somebody else may lead, no longer", async () => {
  const world = await World.leading({ work: () => new Promise(() => undefined) });
  world.server.fate = () => "refuse";
  await world.time.advance(14_999);
  expect(world.story).toHaveLength(2);
  expect(world.ended).toBe("running");
  await world.time.advance(1);
  expect(world.ended).toBeInstanceOf(LeadershipLostError);
});

test("work that fails frees the lease, and the elector fails with its error", async () => {
  const work = Promise.withResolvers<void>();
  const world = await World.leading({ work: () => work.promise });
  const error = new Error("out of paper");
  work.reject(error);
  await settle();
  expect(world.ended).toBe(error);
  expect(world.server.lease?.spec?.holderIdentity).toBe("");
  world.start();
  await settle();
  expect(world.server.written).toEqual(["POST me@0", "PUT @0", "PUT me@1", "PUT @1"]);
});

test("a release is tried again when the answer was lost, and does not undo another's lease", async () => {
  const world = await World.leading();
  world.server.fate = ({ method }) => (method === "PUT" ? "lose" : "answer");
  world.server.before = ({ method }) => {
    if (method === "GET") world.server.put(theirs);
  };
  world.stop.abort();
  await settle();
  expect(world.ended).toBe("resolved");
  expect(world.server.written).toEqual(["POST me@0", "PUT @0"]);
  expect(world.server.lease?.spec?.holderIdentity).toBe("other");
});

test("a candidate that may have got the lease without knowing it releases it on stop", async () => {
  const world = new World({});
  world.server.fate = ({ method }) => (method === "POST" ? "lose" : "answer");
  world.start();
  await settle();
  world.stop.abort();
  await settle();
  expect(world.ended).toBe("resolved");
  expect(world.server.lease?.spec?.holderIdentity).toBe("");
  expect(world.story).toEqual([]);
});

test("a candidate that is stopped writes nothing, whoever holds the lease", async () => {
  const world = new World({});
  world.server.put(theirs);
  world.start();
  await world.time.advance(5_000);
  world.stop.abort();
  await settle();
  expect(world.ended).toBe("resolved");
  expect(world.server.written).toEqual([]);
});

test("a server that hangs does not hold up a stop for longer than a request may take", async () => {
  const world = await World.leading();
  world.server.fate = () => "hang";
  await world.time.advance(3_000);
  world.stop.abort();
  await settle();
  expect(world.story).toEqual(["leads", "aborted by me at 3000"]);
  await world.time.advance(5_000);
  expect(world.ended).toBe("resolved");
});

test("the age of the last renewal is known while it leads", async () => {
  const world = new World({});
  expect(world.elector.renewalAgeMs).toBeUndefined();
  world.start();
  await world.time.advance(3_000);
  expect(world.elector.renewalAgeMs).toBe(1_000);
  world.stop.abort();
  await settle();
  expect(world.elector.renewalAgeMs).toBeUndefined();
});

test("new leaders are told once each", async () => {
  const world = new World({});
  world.start();
  for (const [round, holderIdentity] of ["a", "a", "b", "b", "a"].entries()) {
    world.server.put({
      ...theirs,
      holderIdentity,
      renewTime: `2026-01-01T00:00:0${round}.000000Z`,
    });
    await world.time.advance(5_000);
  }
  const leaders = world.logger.lines.map(({ fields }) => (fields as { leader?: string }).leader);
  expect(leaders).toEqual(["a", "b", "a"]);
});

test("an elector without a name, or started twice, is a mistake", async () => {
  expect(() => new World({ identity: "" })).toThrow(RangeError);
  const world = await World.leading();
  await expect(world.elector.run(world.stop.signal)).rejects.toThrow("running already");
  expect(world.elector.isLeader).toBe(true);
});

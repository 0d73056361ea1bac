import { expect, test } from "vitest";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import { RetrySchedule } from "../../../src/agent/retry-schedule.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const TIME = "2026-11-24T06:00:00.000Z";

interface Scheduled {
  readonly clock: FakeClock;
  readonly controllerClock: ControllerClock;
  readonly schedule: RetrySchedule;
  readonly started: string[];
  readonly add: (runID: string, notBefore?: string, maxPauseMs?: number) => void;
}

function start(time?: string): Scheduled {
  const clock = new FakeClock();
  const controllerClock = new ControllerClock(clock);
  if (time !== undefined) controllerClock.set(Date.parse(time));
  const started: string[] = [];
  const schedule = new RetrySchedule({
    clock,
    controllerClock,
    start: ({ runID }) => started.push(runID),
  });
  void schedule.run(new AbortController().signal);
  const add: Scheduled["add"] = (runID, ...when) => {
    schedule.add({ runID, namespace: "default", name: runID, method: "exec" }, ...when);
  };
  return { clock, controllerClock, schedule, started, add };
}

test("a run is started when its time has come, and once", async () => {
  const { clock, started, add } = start(TIME);
  add("later", "2026-11-24T06:00:20.000Z");
  add("sooner", "2026-11-24T06:00:10.000Z");
  add("now");
  await clock.advance(9_999);
  expect(started).toEqual(["now"]);
  await clock.advance(1);
  expect(started).toEqual(["now", "sooner"]);
  await clock.advance(60_000);
  expect(started).toEqual(["now", "sooner", "later"]);
});

test("what is due at the same moment is started in the order in which it came", async () => {
  const { clock, started, add } = start(TIME);
  for (const runID of ["a", "b", "c"]) add(runID);
  await clock.advance(0);
  expect(started).toEqual(["a", "b", "c"]);
});

test("while the time is not known nothing is started, and what is due is as soon as it is", async () => {
  const { clock, controllerClock, schedule, started, add } = start();
  add("due", TIME);
  add("at once");
  add("later", "2026-11-24T06:00:10.000Z");
  await clock.advance(60_000);
  expect(started).toEqual([]);
  controllerClock.set(Date.parse(TIME));
  schedule.timeChanged();
  await clock.advance(0);
  expect(started).toEqual(["at once", "due"]);
});

test("a correction of the time counts at once", async () => {
  const { clock, controllerClock, schedule, started, add } = start(TIME);
  add("run", "2026-11-24T07:00:00.000Z");
  await clock.advance(10_000);
  controllerClock.set(Date.parse("2026-11-24T08:00:00.000Z"));
  schedule.timeChanged();
  await clock.advance(0);
  expect(started).toEqual(["run"]);
});

test("no pause is longer than it may be, however far back the time was set", async () => {
  const { clock, controllerClock, schedule, started, add } = start(TIME);
  add("run", "2026-11-24T06:00:10.000Z", 20_000);
  controllerClock.set(Date.parse("2026-11-24T03:00:00.000Z"));
  schedule.timeChanged();
  await clock.advance(19_999);
  expect(started).toEqual([]);
  await clock.advance(1);
  expect(started).toEqual(["run"]);
});

import { describe, expect, test } from "vitest";
import {
  ControllerClock,
  ControllerTimeUnknownError,
} from "../../../src/agent/controller-clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const TIME = "2026-11-24T06:00:00.000Z";

test("there is no time before a controller has said it", () => {
  const clock = new ControllerClock(new FakeClock());
  expect(clock.now()).toBeUndefined();
  expect(() => clock.timestamp()).toThrow(ControllerTimeUnknownError);
});

test("the controller's time goes on with the monotonic clock, whatever the wall clock does", async () => {
  const own = new FakeClock();
  const clock = new ControllerClock(own);
  clock.set(Date.parse(TIME));
  own.shiftWallClock(-3_600_000);
  await own.advance(1_500);
  expect(clock.timestamp()).toBe("2026-11-24T06:00:01.500Z");
});

test("a later word of the controller replaces an earlier one", async () => {
  const own = new FakeClock();
  const clock = new ControllerClock(own);
  clock.set(Date.parse("2030-01-01T00:00:00.000Z"));
  await own.advance(10_000);
  clock.set(Date.parse(TIME));
  expect(clock.now()).toBe(Date.parse(TIME));
});

describe("what is kept of the time for the next agent of this boot", () => {
  const kept: number[] = [];
  const keep = (offset: number): void => void kept.push(offset);

  test("is the first word, and then only what is more than a second off", async () => {
    kept.length = 0;
    const own = new FakeClock();
    const clock = new ControllerClock(own, { offset: undefined, keep });
    for (const time of [100_000, 101_000, 99_000, 101_001, 101_002]) clock.set(time);
    await own.advance(30_000);
    clock.set(131_500);
    expect(kept).toEqual([100_000, 101_001]);
  });

  test("is the time before any controller answers, and no other is kept while it is right", async () => {
    kept.length = 0;
    const own = new FakeClock();
    await own.advance(5_000);
    const clock = new ControllerClock(own, { offset: Date.parse(TIME), keep });
    expect(clock.timestamp()).toBe("2026-11-24T06:00:05.000Z");
    await clock.known;
    clock.set(Date.parse("2026-11-24T06:00:05.900Z"));
    expect(kept).toEqual([]);
    expect(clock.timestamp()).toBe("2026-11-24T06:00:05.900Z");
  });
});

test("whoever waits for the time is told when it is known", async () => {
  const clock = new ControllerClock(new FakeClock());
  let isKnown = false;
  const waiting = clock.known.then(() => (isKnown = true));
  await Promise.resolve();
  expect(isKnown).toBe(false);
  clock.set(Date.parse(TIME));
  await waiting;
});

test("a moment of the monotonic clock has its time, before and after it was known", async () => {
  const own = new FakeClock();
  const clock = new ControllerClock(own);
  expect(() => clock.timestampAt(0)).toThrow(ControllerTimeUnknownError);
  await own.advance(10_000);
  clock.set(Date.parse(TIME));
  expect(clock.timestampAt(4_000)).toBe("2026-11-24T05:59:54.000Z");
});

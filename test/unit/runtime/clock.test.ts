import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { steadyClock, systemClock } from "../../../src/runtime/clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const AGES = 1e12;

describe("the system clock", () => {
  test("ends a sleep, without an error, when its signal is aborted", async () => {
    const stop = new AbortController();
    const sleeping = systemClock.sleep(AGES, stop.signal);
    stop.abort(new Error("the reason is not passed on"));
    await expect(sleeping).resolves.toBeUndefined();
  });

  test("does not start a sleep whose signal is aborted already", async () => {
    await expect(systemClock.sleep(AGES, AbortSignal.abort())).resolves.toBeUndefined();
  });

  test("leaves nothing on the signal after a sleep that ended by itself", async () => {
    const { signal } = new AbortController();
    await systemClock.sleep(0, signal);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("takes a time in the past as no time", async () => {
    await expect(systemClock.sleep(-1_000)).resolves.toBeUndefined();
  });

  test("never goes backwards on its monotonic side", () => {
    const before = systemClock.monotonic();
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before);
  });
});

describe("a steady clock", () => {
  const start = Date.parse("2026-11-24T06:00:00Z");
  const HOUR = 3_600_000;

  test("starts at the wall time and goes on with the time that passes, not with the wall clock", async () => {
    const base = new FakeClock(start);
    await base.advance(500);
    const clock = steadyClock(base);
    expect(clock.now()).toBe(start + 500);
    for (const jump of [HOUR, -5 * HOUR]) {
      base.shiftWallClock(jump);
      await base.advance(100);
    }
    expect(clock.now()).toBe(start + 700);
    expect(clock.monotonic()).toBe(base.monotonic());
  });

  test.each([
    ["within the other's range", 0, 0],
    ["within the tolerance before it", -2_000, 0],
    ["within the tolerance after it", 3_000, 0],
    ["further behind", -2_001, 2_501],
    ["further ahead", 3_001, -2_501],
    ["hours ahead", 3 * HOUR, 500 - 3 * HOUR],
  ])("that is %s agrees with another clock", (_, off, jump) => {
    const clock = steadyClock(new FakeClock(start + off));
    const jumped = clock.agreeWith({ earliest: start, latest: start + 1_000 }, 2_000);
    expect(jumped).toBe(jump);
    expect(clock.now()).toBe(start + off + jump);
  });
});

describe("the fake clock", () => {
  test("wakes sleepers in the order of their time, each at its own moment", async () => {
    const clock = new FakeClock();
    const woken: [string, number][] = [];
    const sleeper = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms);
      woken.push([name, clock.monotonic()]);
      if (name === "first") void sleeper("nested", 10);
    };
    void sleeper("last", 100);
    void sleeper("first", 10);
    void sleeper("later", 101);
    await clock.advance(100);
    expect(woken).toEqual([
      ["first", 10],
      ["nested", 20],
      ["last", 100],
    ]);
    expect(clock.sleepers).toBe(1);
  });

  test("ends a sleep at once when its signal is aborted", async () => {
    const clock = new FakeClock();
    const stop = new AbortController();
    const sleeping = clock.sleep(1_000, stop.signal);
    stop.abort();
    await sleeping;
    expect(clock.sleepers).toBe(0);
    expect(clock.monotonic()).toBe(0);
  });
});

import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/runtime/clock.ts";
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

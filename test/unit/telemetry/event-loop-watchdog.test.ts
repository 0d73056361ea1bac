import { beforeEach, describe, expect, test } from "vitest";
import { EventLoopWatchdog } from "../../../src/telemetry/event-loop-watchdog.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** A clock on which time can pass while nobody wakes. */
class BlockableClock extends FakeClock {
  #blockedMs = 0;

  override monotonic(): number {
    return super.monotonic() + this.#blockedMs;
  }

  block(ms: number): void {
    this.#blockedMs += ms;
  }
}

let clock: BlockableClock;
let watchdog: EventLoopWatchdog;
let stop: AbortController;

beforeEach(() => {
  clock = new BlockableClock();
  watchdog = new EventLoopWatchdog({ clock, maxBlockedMs: 5_000, rememberMs: 15_000 });
  stop = new AbortController();
});

describe("the watchdog of the event loop", () => {
  test("is content while the loop turns", async () => {
    void watchdog.run(stop.signal);
    await clock.advance(60_000);
    expect(watchdog.check()).toBeUndefined();
  });

  test("lets a short block pass", async () => {
    void watchdog.run(stop.signal);
    await clock.advance(1_000);
    clock.block(4_000);
    await clock.advance(1_000);
    expect(watchdog.check()).toBeUndefined();
  });

  test("tells of a long block as soon as it is asked, before its own turn", async () => {
    void watchdog.run(stop.signal);
    await clock.advance(1_000);
    clock.block(8_500);
    expect(watchdog.check()).toBe("the event loop was blocked for 8s, 0ms ago");
  });

  test("tells of a long block for a while, then no more", async () => {
    void watchdog.run(stop.signal);
    await clock.advance(1_000);
    clock.block(8_500);
    await clock.advance(10_500);
    expect(watchdog.check()).toBe("the event loop was blocked for 8.5s, 10s ago");
    await clock.advance(5_000);
    expect(watchdog.check()).toBe("the event loop was blocked for 8.5s, 15s ago");
    await clock.advance(1);
    expect(watchdog.check()).toBeUndefined();
  });

  test("goes on failing when blocks follow one another", async () => {
    void watchdog.run(stop.signal);
    for (let probe = 0; probe < 5; probe += 1) {
      clock.block(8_000);
      await clock.advance(10_000);
      expect(watchdog.check()).toContain("blocked for");
    }
  });

  test("has nothing to say before it runs and after it was stopped", async () => {
    clock.block(60_000);
    expect(watchdog.check()).toBeUndefined();
    const running = watchdog.run(stop.signal);
    stop.abort();
    await running;
    clock.block(60_000);
    expect(watchdog.check()).toBeUndefined();
    expect(clock.sleepers).toBe(0);
  });
});

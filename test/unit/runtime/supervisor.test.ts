import { describe, expect, test } from "vitest";
import {
  ErrorKernel,
  FatalError,
  RESTART_BUDGET,
  type ProcessError,
} from "../../../src/runtime/errorkernel.ts";
import { Supervisor } from "../../../src/runtime/supervisor.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

/** A supervisor with the longest possible back-offs: 100, 200, 400 ms and so on. */
class Bench {
  readonly clock = new FakeClock();
  readonly reports: ProcessError[] = [];
  readonly shutdowns: ProcessError[] = [];
  readonly supervisor = new Supervisor({
    clock: this.clock,
    random: () => 1 - 2 ** -53,
    kernel: new ErrorKernel({
      logger: new RecordingLogger(),
      isExpendable: (process) => process.startsWith("method/"),
      onReport: (report) => this.reports.push(report),
      onShutdown: (report) => this.shutdowns.push(report),
    }),
  });

  /** Starts a process that does `once` at each start; returns the times of its starts. */
  start(name: string, once: (signal: AbortSignal) => Promise<void>): number[] {
    const starts: number[] = [];
    this.supervisor.start(name, (signal) => {
      starts.push(this.clock.monotonic());
      return once(signal);
    });
    return starts;
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

describe("a process that ends although nobody stopped it", () => {
  test.each<[string, () => Promise<void>, RegExp]>([
    ["rejects", () => Promise.reject(new Error("it broke")), /^it broke$/],
    [
      "throws before its first await",
      () => {
        throw new Error("it broke at once");
      },
      /^it broke at once$/,
    ],
    ["returns early", () => Promise.resolve(), /ended although nobody stopped it/],
  ])("is reported by its name and started again when it %s", async (_, process, message) => {
    const bench = new Bench();
    const starts = bench.start("watch/edgenodes", process);
    await bench.clock.advance(99);
    expect(starts).toEqual([0]);
    await bench.clock.advance(1);
    expect(starts).toEqual([0, 100]);
    expect(bench.reports).toHaveLength(2);
    expect(bench.reports[0]).toMatchObject({
      process: "watch/edgenodes",
      severity: "error",
      thrown: expect.objectContaining({ message: expect.stringMatching(message) }),
    });
    expect(bench.shutdowns).toEqual([]);
    await bench.supervisor.stop();
  });

  test("waits twice as long each time, up to 30 s", async () => {
    const bench = new Bench();
    const starts = bench.start("p", () => Promise.reject(new Error("broken")));
    for (let restarts = 0; restarts < 12; restarts += 1) await bench.clock.advanceToNext();
    const waits = starts.map((at, i) => at - (starts[i - 1] ?? 0)).slice(1);
    expect(waits).toEqual([
      100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000,
    ]);
    await bench.supervisor.stop();
  });

  test.each([
    ["starts its back-off anew after more than a healthy minute", 60_001, 100],
    ["keeps its back-off after a minute and no more", 60_000, 800],
  ])("%s", async (_, healthyMs, wait) => {
    const bench = new Bench();
    let failures = 0;
    const starts = bench.start("p", async (signal) => {
      failures += 1;
      if (failures === 4) await bench.clock.sleep(healthyMs, signal);
      throw new Error("broken");
    });
    await bench.clock.advance(100 + 200 + 400 + healthyMs + wait);
    expect(starts.at(-1)).toBe(700 + healthyMs + wait);
    expect(starts).toHaveLength(5);
    await bench.supervisor.stop();
  });

  test("does not disturb the others", async () => {
    const bench = new Bench();
    const bad = bench.start("bad", () => Promise.reject(new Error("broken")));
    const good = bench.start("good", untilAborted);
    await bench.clock.advance(10_000);
    expect(bad.length).toBeGreaterThan(3);
    expect(good).toEqual([0]);
    await bench.supervisor.stop();
  });
});

describe("a process that fails again and again", () => {
  test("makes the program shut down once its budget of restarts is spent", async () => {
    const bench = new Bench();
    const starts = bench.start("watch/edgenodes", () => Promise.reject(new Error("broken")));
    await bench.clock.advance(3_600_000);
    expect(starts).toHaveLength(RESTART_BUDGET);
    expect(bench.shutdowns).toMatchObject([{ process: "watch/edgenodes", severity: "error" }]);
    await bench.supervisor.stop();
  });

  test("has its budget back after a healthy minute", async () => {
    const bench = new Bench();
    const starts = bench.start("watch/edgenodes", async (signal) => {
      await bench.clock.sleep(60_001, signal);
      throw new Error("broken");
    });
    await bench.clock.advance(3_600_000);
    expect(starts.length).toBeGreaterThan(RESTART_BUDGET);
    expect(bench.shutdowns).toEqual([]);
    await bench.supervisor.stop();
  });

  test("is restarted for ever if the program can do without it", async () => {
    const bench = new Bench();
    const starts = bench.start("method/exec", () => Promise.reject(new Error("broken")));
    await bench.clock.advance(3_600_000);
    expect(starts.length).toBeGreaterThan(RESTART_BUDGET);
    expect(bench.shutdowns).toEqual([]);
    await bench.supervisor.stop();
  });
});

const fatal = (): Promise<void> => Promise.reject(new FatalError("the journal is gone"));

describe("a fatal error", () => {
  test("asks for one shutdown, and the process is not started again", async () => {
    const bench = new Bench();
    const first = bench.start("ledger", fatal);
    const second = bench.start("spool", fatal);
    await bench.clock.advance(1_000_000);
    expect([first, second]).toEqual([[0], [0]]);
    expect(bench.reports.map(({ severity }) => severity)).toEqual(["fatal", "fatal"]);
    expect(bench.shutdowns).toEqual([bench.reports[0]]);
    await bench.supervisor.stop();
  });

  test("may be answered by stopping the supervisor", async () => {
    const clock = new FakeClock();
    let stopped = false;
    const supervisor: Supervisor = new Supervisor({
      clock,
      random: () => 0,
      kernel: new ErrorKernel({
        logger: new RecordingLogger(),
        onShutdown: () => {
          void supervisor.stop().then(() => {
            stopped = true;
          });
        },
      }),
    });
    supervisor.start("good", untilAborted);
    supervisor.start("bad", fatal);
    await settle();
    expect(stopped).toBe(true);
  });
});

describe("stop", () => {
  test("tells every process and waits for the last of them", async () => {
    const bench = new Bench();
    const ended: string[] = [];
    for (const [name, ms] of [
      ["quick", 0],
      ["slow", 5_000],
    ] as const) {
      bench.start(name, async (signal) => {
        await untilAborted(signal);
        await bench.clock.sleep(ms);
        ended.push(name);
      });
    }
    let stopped = false;
    void bench.supervisor.stop().then(() => {
      stopped = true;
    });
    await bench.clock.advance(4_999);
    expect([ended, stopped]).toEqual([["quick"], false]);
    await bench.clock.advance(1);
    await settle();
    expect([ended, stopped]).toEqual([["quick", "slow"], true]);
  });

  test("ends a back-off early", async () => {
    const bench = new Bench();
    const starts = bench.start("p", () => Promise.reject(new Error("broken")));
    await settle();
    await bench.supervisor.stop();
    await bench.clock.advance(100_000);
    expect(starts).toEqual([0]);
    expect(bench.clock.sleepers).toBe(0);
  });

  test("takes an error on the way out as an end", async () => {
    const bench = new Bench();
    bench.start("p", async (signal) => {
      await untilAborted(signal);
      throw new Error("aborted in the middle");
    });
    await bench.supervisor.stop();
    expect(bench.reports).toEqual([]);
  });

  test("may be called twice, and what is started afterwards does not run", async () => {
    const bench = new Bench();
    bench.start("p", untilAborted);
    await Promise.all([bench.supervisor.stop(), bench.supervisor.stop()]);
    expect(bench.start("late", untilAborted)).toEqual([]);
    await bench.supervisor.stop();
  });
});

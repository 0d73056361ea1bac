import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WorkQueue } from "../../../src/runtime/workqueue.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";

interface Call {
  readonly key: string;
  readonly at: number;
  end(thrown?: unknown): void;
}

/** A queue whose work goes on until the test ends it; watches that no key is worked on twice at once. */
class Bench {
  readonly clock = new FakeClock();
  /** Every start of work, in order. */
  readonly calls: Call[] = [];
  readonly errors: [string, unknown][] = [];
  readonly running = new Map<string, Call>();
  readonly queue: WorkQueue;

  constructor(concurrency = 1, random = (): number => 0) {
    this.queue = new WorkQueue({
      clock: this.clock,
      random,
      concurrency,
      work: (key) => this.#work(key, concurrency),
      onError: (key, thrown) => this.errors.push([key, thrown]),
    });
  }

  get started(): string[] {
    return this.calls.map(({ key }) => key);
  }

  async end(key: string, thrown?: unknown): Promise<void> {
    const call = this.running.get(key);
    if (call === undefined) throw new Error(`${key} is not worked on`);
    call.end(thrown);
    await settle();
  }

  /** Lets everything that is owed happen, and succeed. */
  async drain(): Promise<void> {
    do {
      for (const { key } of this.running.values()) await this.end(key);
    } while (this.running.size > 0 || (await this.clock.advanceToNext()));
  }

  #work(key: string, concurrency: number): Promise<void> {
    if (this.running.has(key)) throw new Error(`${key} is worked on twice at once`);
    if (this.running.size >= concurrency) throw new Error("too many at once");
    return new Promise((resolve, reject) => {
      const end = (thrown?: unknown): void => {
        this.running.delete(key);
        if (thrown === undefined) resolve();
        else reject(thrown);
      };
      const call = { key, at: this.clock.monotonic(), end };
      this.calls.push(call);
      this.running.set(key, call);
    });
  }
}

describe("add", () => {
  test("starts work at once while there is room, and in the order of the adds after that", async () => {
    const bench = new Bench(2);
    for (const key of ["a", "b", "c", "d"]) bench.queue.add(key);
    expect(bench.started).toEqual(["a", "b"]);
    await bench.end("b");
    expect(bench.started).toEqual(["a", "b", "c"]);
    await bench.end("a");
    expect(bench.started).toEqual(["a", "b", "c", "d"]);
  });

  test("works once on a key that was added many times while it waited", async () => {
    const bench = new Bench();
    for (const key of ["busy", "a", "a", "a"]) bench.queue.add(key);
    await bench.drain();
    expect(bench.started).toEqual(["busy", "a"]);
  });

  test("works exactly once more on a key that was added many times while it was worked on", async () => {
    const bench = new Bench(2);
    for (const key of ["a", "a", "a"]) bench.queue.add(key);
    expect(bench.started).toEqual(["a"]);
    await bench.drain();
    expect(bench.started).toEqual(["a", "a"]);
  });

  test("puts a key that was added while it was worked on behind those that wait", async () => {
    const bench = new Bench();
    for (const key of ["a", "a", "b"]) bench.queue.add(key);
    await bench.drain();
    expect(bench.started).toEqual(["a", "b", "a"]);
  });

  test("may be called from the work itself", async () => {
    const worked: string[] = [];
    const queue: WorkQueue = new WorkQueue({
      clock: new FakeClock(),
      random: () => 0,
      concurrency: 1,
      work: async (key) => {
        worked.push(key);
        if (worked.length < 4) queue.add(worked.length === 2 ? "other" : key);
      },
      onError: () => {},
    });
    queue.add("a");
    await settle();
    expect(worked).toEqual(["a", "a", "other", "other"]);
  });
});

describe("priority", () => {
  test("lets what happens now go before what a start brought, each in its own order", async () => {
    const bench = new Bench();
    bench.queue.add("under way");
    for (const key of ["old 1", "old 2"]) bench.queue.add(key, "low");
    for (const key of ["live 1", "live 2"]) bench.queue.add(key);
    await bench.drain();
    expect(bench.started).toEqual(["under way", "live 1", "live 2", "old 1", "old 2"]);
  });

  test.each([
    ["low, then normal", ["low", "normal"]],
    ["normal, then low", ["normal", "low"]],
  ] as const)(
    "of a key that is added with %s is the higher one, and it is worked on once",
    async (_, order) => {
      const bench = new Bench();
      bench.queue.add("under way");
      bench.queue.add("old", "low");
      for (const priority of order) bench.queue.add("both", priority);
      await bench.drain();
      expect(bench.started).toEqual(["under way", "both", "old"]);
    },
  );

  test("does not let a key be worked on twice at once, nor lose it", async () => {
    const bench = new Bench();
    bench.queue.add("a");
    bench.queue.add("a", "low");
    expect(bench.started).toEqual(["a"]);
    await bench.end("a");
    expect(bench.started).toEqual(["a", "a"]);
    await bench.drain();
  });
});

describe("addAfter", () => {
  test("starts work when the time has come and not before", async () => {
    const bench = new Bench();
    bench.queue.addAfter("a", 1_000);
    await bench.clock.advance(999);
    expect(bench.started).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.started).toEqual(["a"]);
  });

  test.each([0, -1])("with %i ms is an add", (ms) => {
    const bench = new Bench();
    bench.queue.addAfter("a", ms);
    expect(bench.started).toEqual(["a"]);
  });

  test.each([
    ["an earlier one wins over a later one", [500, 100], [100]],
    ["a later one does not put off an earlier one", [100, 500], [100]],
    ["an equal one changes nothing", [100, 100], [100]],
  ])("%s", async (_, delays, starts) => {
    const bench = new Bench();
    for (const ms of delays) bench.queue.addAfter("a", ms);
    await bench.drain();
    expect(bench.calls.map(({ at }) => at)).toEqual(starts);
  });

  test("does not keep an add from being worked on at once", async () => {
    const bench = new Bench();
    bench.queue.addAfter("a", 1_000);
    bench.queue.add("a");
    expect(bench.started).toEqual(["a"]);
  });

  test("that comes due while the key is worked on has it worked on once more", async () => {
    const bench = new Bench(2);
    bench.queue.addAfter("a", 10);
    bench.queue.add("a");
    await bench.clock.advance(10);
    expect(bench.started).toEqual(["a"]);
    await bench.end("a");
    expect(bench.started).toEqual(["a", "a"]);
  });

  test("of one key starts its work exactly at the earliest moment that is asked for", async () => {
    const steps = fc.array(fc.record({ wait: fc.nat(20), ms: fc.integer({ min: -1, max: 30 }) }));
    await fc.assert(
      fc.asyncProperty(steps, async (given) => {
        const bench = new Bench();
        const want: number[] = [];
        let due = Infinity;
        for (const { wait, ms } of given) {
          for (let left = wait; left > 0; left -= 1) await endAll(bench, 1);
          const now = bench.clock.monotonic();
          if (due <= now) {
            want.push(due);
            due = Infinity;
          }
          if (ms <= 0) want.push(now);
          else due = Math.min(due, now + ms);
          bench.queue.addAfter("a", ms);
          await endAll(bench, 0);
        }
        if (due < Infinity) want.push(due);
        await bench.drain();
        expect(bench.calls.map(({ at }) => at)).toEqual(want);
      }),
      { numRuns: 50 },
    );
  });
});

async function endAll(bench: Bench, advance: number): Promise<void> {
  await bench.clock.advance(advance);
  for (const { key } of bench.running.values()) await bench.end(key);
}

describe("work that throws", () => {
  const broken = new Error("broken");

  test("is reported and tried again with a back-off that doubles up to a minute", async () => {
    const bench = new Bench(1, () => 1 - 2 ** -53);
    bench.queue.add("a");
    for (let tries = 0; tries < 20; tries += 1) {
      await bench.end("a", broken);
      expect(await bench.clock.advanceToNext()).toBe(true);
    }
    const waits = bench.calls.map(({ at }, i) => at - (bench.calls[i - 1]?.at ?? 0)).slice(1);
    expect(waits.slice(0, 5)).toEqual([5, 10, 20, 40, 80]);
    expect(waits.slice(-2)).toEqual([60_000, 60_000]);
    expect(bench.errors).toEqual(Array.from({ length: 20 }, () => ["a", broken]));
  });

  test("starts its back-off anew after a success", async () => {
    const bench = new Bench(1, () => 1 - 2 ** -53);
    bench.queue.add("a");
    for (const thrown of [broken, broken, broken, undefined]) {
      await bench.end("a", thrown);
      await bench.clock.advanceToNext();
    }
    bench.queue.add("a");
    await bench.end("a", broken);
    const before = bench.clock.monotonic();
    await bench.clock.advanceToNext();
    expect(bench.clock.monotonic() - before).toBe(5);
  });

  test("does not hold up other keys, nor count against them", async () => {
    const bench = new Bench(1, () => 1 - 2 ** -53);
    bench.queue.add("bad");
    bench.queue.add("good");
    await bench.end("bad", broken);
    expect(bench.started).toEqual(["bad", "good"]);
    await bench.end("good", broken);
    await bench.clock.advance(5);
    expect(bench.started).toEqual(["bad", "good", "bad"]);
    await bench.end("bad");
    expect(bench.started).toEqual(["bad", "good", "bad", "good"]);
  });

  test("is tried again at once if the key was added meanwhile", async () => {
    const bench = new Bench();
    bench.queue.add("a");
    bench.queue.add("a");
    await bench.end("a", broken);
    expect(bench.calls.map(({ at }) => at)).toEqual([0, 0]);
  });

  test("may throw before its first await", async () => {
    const errors: string[] = [];
    const clock = new FakeClock();
    const queue = new WorkQueue({
      clock,
      random: () => 0,
      concurrency: 1,
      work: () => {
        throw broken;
      },
      onError: (key) => errors.push(key),
    });
    queue.add("a");
    await clock.advance(3);
    expect(errors).toEqual(["a", "a"]);
    await queue.stop();
  });
});

describe("stop", () => {
  test("drops what waits, takes nothing more, and waits for what is under way", async () => {
    const bench = new Bench(1);
    for (const key of ["a", "b", "a"]) bench.queue.add(key);
    bench.queue.addAfter("c", 10);
    const stopping = track(bench.queue.stop());
    expect(bench.clock.sleepers).toBe(0);
    bench.queue.add("d");
    bench.queue.addAfter("e", 0);
    bench.queue.addAfter("f", 10);
    await bench.clock.advance(1_000);
    expect(stopping.ended).toBe(false);
    expect(bench.clock.sleepers).toBe(0);
    await bench.end("a");
    expect(stopping.ended).toBe(true);
    expect(bench.started).toEqual(["a"]);
  });

  test("reports the error of what was under way and does not retry it", async () => {
    const bench = new Bench();
    bench.queue.add("a");
    const stopping = track(bench.queue.stop());
    await bench.end("a", new Error("broken"));
    expect(stopping.ended).toBe(true);
    expect(bench.errors).toHaveLength(1);
    expect(bench.clock.sleepers).toBe(0);
  });

  test("may be called twice, and of an idle queue ends at once", async () => {
    const bench = new Bench();
    await bench.queue.stop();
    await bench.queue.stop();
    const busy = new Bench();
    busy.queue.add("a");
    const both = track(Promise.all([busy.queue.stop(), busy.queue.stop()]));
    await busy.end("a");
    expect(both.ended).toBe(true);
  });
});

function track(promise: Promise<unknown>): { ended: boolean } {
  const state = { ended: false };
  void promise.then(() => {
    state.ended = true;
  });
  return state;
}

const BROKEN = new Error("broken");

type Operation =
  | { readonly kind: "add"; readonly key: string }
  | { readonly kind: "addAfter"; readonly key: string; readonly ms: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "end"; readonly index: number; readonly fails: boolean };

const keys = fc.constantFrom("a", "b", "c");
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("add" as const), key: keys }),
    fc.record({ kind: fc.constant("addAfter" as const), key: keys, ms: fc.nat(50) }),
    fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(50) }),
    fc.record({ kind: fc.constant("end" as const), index: fc.nat(9), fails: fc.boolean() }),
  ),
  { maxLength: 40 },
);

/** What is owed to the keys: for each request the number of starts that its key had seen before it. */
class Owed {
  readonly #requests: { key: string; after: number; immediate: boolean }[] = [];
  readonly #bench: Bench;

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  get requests(): number {
    return this.#requests.length;
  }

  note(key: string, immediate: boolean): void {
    this.#requests.push({ key, after: this.#starts(key), immediate });
  }

  /** Keys that nobody has started on since they were asked for. */
  keys(which: { immediate: boolean }): string[] {
    return this.#requests
      .filter(({ immediate }) => immediate || !which.immediate)
      .filter(({ key, after }) => this.#starts(key) <= after)
      .map(({ key }) => key);
  }

  #starts(key: string): number {
    return this.#bench.started.filter((started) => started === key).length;
  }
}

async function apply(bench: Bench, owed: Owed, operation: Operation): Promise<void> {
  switch (operation.kind) {
    case "add":
      owed.note(operation.key, true);
      bench.queue.add(operation.key);
      break;
    case "addAfter":
      owed.note(operation.key, operation.ms === 0);
      bench.queue.addAfter(operation.key, operation.ms);
      break;
    case "advance":
      await bench.clock.advance(operation.ms);
      break;
    case "end": {
      const call = [...bench.running.values()][operation.index % Math.max(1, bench.running.size)];
      if (call === undefined) break;
      if (operation.fails) owed.note(call.key, false);
      await bench.end(call.key, operation.fails ? BROKEN : undefined);
      break;
    }
    default:
      operation satisfies never;
  }
}

describe("under any interleaving", () => {
  const concurrency = fc.integer({ min: 1, max: 4 });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  test("nothing is lost, nothing waits while there is room, and nothing is done unasked", async () => {
    await fc.assert(
      fc.asyncProperty(concurrency, random, operations, async (workers, chance, given) => {
        const bench = new Bench(workers, () => chance);
        const owed = new Owed(bench);
        for (const operation of given) {
          await apply(bench, owed, operation);
          const waiting = owed.keys({ immediate: true }).filter((key) => !bench.running.has(key));
          if (waiting.length > 0) expect(bench.running.size).toBe(workers);
        }
        await bench.drain();
        expect(owed.keys({ immediate: false })).toEqual([]);
        expect(bench.calls.length).toBeLessThanOrEqual(owed.requests);
        expect(bench.errors.filter(([, thrown]) => thrown !== BROKEN)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test("after stop nothing is started, and it ends when the last work has", async () => {
    await fc.assert(
      fc.asyncProperty(concurrency, operations, operations, async (workers, before, after) => {
        const bench = new Bench(workers);
        const owed = new Owed(bench);
        for (const operation of before) await apply(bench, owed, operation);
        const started = bench.calls.length;
        const stopping = track(bench.queue.stop());
        for (const operation of after) {
          await apply(bench, owed, operation);
          await settle();
          expect(stopping.ended).toBe(bench.running.size === 0);
        }
        await bench.drain();
        expect(stopping.ended).toBe(true);
        expect(bench.calls).toHaveLength(started);
        expect(bench.clock.sleepers).toBe(0);
      }),
    );
  });
});

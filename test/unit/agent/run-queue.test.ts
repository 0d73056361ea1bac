import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RunQueue, type Job } from "../../../src/agent/run-queue.ts";
import { settle } from "./settle.ts";

/** Jobs that end when a test says so. */
class Jobs {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  job(name: string, { row = name, takesSlot = true } = {}): Job {
    const perform = (): Promise<void> => {
      this.begun.push(name);
      return new Promise((resolve) => this.#ends.set(name, resolve));
    };
    return { row, takesSlot, perform };
  }

  get underWay(): string[] {
    return [...this.#ends.keys()];
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    this.#ends.delete(name);
    await settle();
  }
}

test("as many as may are done at once, the others in the order in which they came", async () => {
  const jobs = new Jobs();
  const queue = new RunQueue(2);
  for (const name of ["a", "b", "c", "d"]) queue.add(jobs.job(name));
  expect(jobs.begun).toEqual(["a", "b"]);
  await jobs.end("b");
  expect(jobs.begun).toEqual(["a", "b", "c"]);
  queue.add(jobs.job("b again"));
  await jobs.end("a");
  await jobs.end("c");
  expect(jobs.begun).toEqual(["a", "b", "c", "d", "b again"]);
});

test("one that waits for another of its row takes no slot", async () => {
  const jobs = new Jobs();
  const queue = new RunQueue(2);
  queue.add(jobs.job("a1", { row: "a" }));
  queue.add(jobs.job("a2", { row: "a" }));
  queue.add(jobs.job("b"));
  queue.add(jobs.job("c"));
  expect(jobs.begun).toEqual(["a1", "b"]);
  await jobs.end("a1");
  expect(jobs.begun).toEqual(["a1", "b", "a2"]);
});

test("what takes no slot waits for nothing but its row", async () => {
  const jobs = new Jobs();
  const queue = new RunQueue(1);
  queue.add(jobs.job("a"));
  queue.add(jobs.job("b"));
  queue.add(jobs.job("ping", { takesSlot: false }));
  queue.add(jobs.job("ping again", { row: "ping", takesSlot: false }));
  expect(jobs.begun).toEqual(["a", "ping"]);
  await jobs.end("ping");
  expect(jobs.begun).toEqual(["a", "ping", "ping again"]);
});

test("what takes no slot waits for what came before it in its row, even if that waits for a slot", async () => {
  const jobs = new Jobs();
  const queue = new RunQueue(1);
  queue.add(jobs.job("a"));
  queue.add(jobs.job("b1", { row: "b" }));
  queue.add(jobs.job("b2", { row: "b", takesSlot: false }));
  expect(jobs.begun).toEqual(["a"]);
  await jobs.end("a");
  await jobs.end("b1");
  expect(jobs.begun).toEqual(["a", "b1", "b2"]);
});

test("what is under way already counts, also beyond the limit", async () => {
  const jobs = new Jobs();
  const queue = new RunQueue(1);
  queue.resume(jobs.job("a"));
  queue.resume(jobs.job("b"));
  queue.add(jobs.job("c"));
  expect(jobs.begun).toEqual(["a", "b"]);
  await jobs.end("a");
  expect(jobs.begun).toEqual(["a", "b"]);
  await jobs.end("b");
  expect(jobs.begun).toEqual(["a", "b", "c"]);
});

test("after the stop nothing more is begun", async () => {
  const jobs = new Jobs();
  const queue = new RunQueue(1);
  queue.add(jobs.job("a"));
  queue.add(jobs.job("b"));
  queue.stop();
  await jobs.end("a");
  expect(jobs.begun).toEqual(["a"]);
});

test("whatever comes and ends when, the limit and the rows are kept and all is done", async () => {
  const job = fc.record({ row: fc.constantFrom("a", "b", "c", "d"), takesSlot: fc.boolean() });
  const scenario = fc.record({
    limit: fc.integer({ min: 1, max: 3 }),
    steps: fc.array(fc.oneof(job, fc.nat()), { maxLength: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ limit, steps }) => {
      const jobs = new Jobs();
      const queue = new RunQueue(limit);
      const all: (Job & { readonly name: string })[] = [];
      const check = (): void => {
        const underWay = all.filter(({ name }) => jobs.underWay.includes(name));
        const rows = underWay.map(({ row }) => row);
        expect(new Set(rows).size).toBe(rows.length);
        expect(underWay.filter(({ takesSlot }) => takesSlot).length).toBeLessThanOrEqual(limit);
        for (const { row } of all) {
          const inRow = all.filter((one) => one.row === row).map(({ name }) => name);
          const begun = jobs.begun.filter((name) => inRow.includes(name));
          expect(begun).toEqual(inRow.slice(0, begun.length));
        }
      };
      const endOne = async (pick: number): Promise<void> => {
        const name = jobs.underWay[pick % Math.max(1, jobs.underWay.length)];
        if (name !== undefined) await jobs.end(name);
      };
      for (const step of steps) {
        if (typeof step === "number") await endOne(step);
        else {
          const name = String(all.length);
          all.push({ ...jobs.job(name, step), name });
          for (const added of all.slice(-1)) queue.add(added);
        }
        check();
      }
      for (const _ of all) await endOne(0);
      expect(jobs.begun).toHaveLength(all.length);
    }),
    { numRuns: 200 },
  );
});

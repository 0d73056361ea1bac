import { expect, test } from "vitest";
import { MethodProcess } from "../../../src/agent/method-process.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { settle } from "./settle.ts";

/** Tasks that end when a test says so. */
class Tasks {
  readonly started: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<void>>();

  task(name: string): () => Promise<void> {
    return async () => {
      this.started.push(name);
      const end = Promise.withResolvers<void>();
      this.#ends.set(name, end);
      await end.promise;
    };
  }

  async end(name: string, thrown?: Error): Promise<void> {
    if (thrown === undefined) this.#ends.get(name)?.resolve();
    else this.#ends.get(name)?.reject(thrown);
    await settle();
  }
}

test("tasks of a process go side by side", async () => {
  const tasks = new Tasks();
  const process = new MethodProcess(new FakeClock());
  void process.run(new AbortController().signal);
  void process.do(tasks.task("one"));
  void process.do(tasks.task("two"));
  await settle();
  expect(tasks.started).toEqual(["one", "two"]);
});

test("a task that throws ends the process with what it threw, and the next one goes on with what waits", async () => {
  const tasks = new Tasks();
  const process = new MethodProcess(new FakeClock());
  const first = process.run(new AbortController().signal);
  const failed = expect(first).rejects.toThrow("defect");
  let over = 0;
  for (const name of ["bad", "good"]) void process.do(tasks.task(name)).then(() => (over += 1));
  await settle();
  await tasks.end("bad", new Error("defect"));
  await failed;
  void process.do(tasks.task("later"));
  await settle();
  expect(tasks.started).toEqual(["bad", "good"]);
  void process.run(new AbortController().signal);
  await tasks.end("good");
  expect(tasks.started).toEqual(["bad", "good", "later"]);
  expect(over).toBe(2);
});

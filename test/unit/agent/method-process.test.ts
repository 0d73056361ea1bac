import { expect, test } from "vitest";
import { Dispatcher } from "../../../src/agent/dispatcher.ts";
import { MethodProcess } from "../../../src/agent/method-process.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { settle } from "./settle.ts";

/** Runs that end when a test says so. */
class Runs {
  readonly started: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<void>>();

  readonly execute = async (runID: string): Promise<void> => {
    this.started.push(runID);
    const end = Promise.withResolvers<void>();
    this.#ends.set(runID, end);
    await end.promise;
  };

  async end(runID: string, thrown?: Error): Promise<void> {
    if (thrown === undefined) this.#ends.get(runID)?.resolve();
    else this.#ends.get(runID)?.reject(thrown);
    await settle();
  }
}

function due(runID: string, name: string): Parameters<Dispatcher["dispatch"]>[0] {
  return { runID, namespace: "default", name, method: "exec" };
}

test("runs of a method go side by side", async () => {
  const runs = new Runs();
  const process = new MethodProcess(runs.execute, new FakeClock());
  void process.run(new AbortController().signal);
  void process.do("one");
  void process.do("two");
  await settle();
  expect(runs.started).toEqual(["one", "two"]);
});

test("a run that throws ends the process with what it threw, and the next one goes on with the queue", async () => {
  const runs = new Runs();
  const process = new MethodProcess(runs.execute, new FakeClock());
  const first = process.run(new AbortController().signal);
  const failed = expect(first).rejects.toThrow("defect");
  let over = 0;
  for (const runID of ["bad", "good"]) void process.do(runID).then(() => (over += 1));
  await settle();
  await runs.end("bad", new Error("defect"));
  await failed;
  void process.do("later");
  await settle();
  expect(runs.started).toEqual(["bad", "good"]);
  void process.run(new AbortController().signal);
  await runs.end("good");
  expect(runs.started).toEqual(["bad", "good", "later"]);
  expect(over).toBe(2);
});

test("runs of one name go one after the other, those of others beside them", async () => {
  const runs = new Runs();
  const process = new MethodProcess(runs.execute, new FakeClock());
  void process.run(new AbortController().signal);
  const dispatcher = new Dispatcher(new Map([["exec", process]]));
  dispatcher.dispatch(due("a1", "a"));
  dispatcher.dispatch(due("a2", "a"));
  dispatcher.dispatch(due("b1", "b"));
  dispatcher.dispatch(due("a3", "a"));
  await settle();
  expect(runs.started).toEqual(["a1", "b1"]);
  await runs.end("a1");
  expect(runs.started).toEqual(["a1", "b1", "a2"]);
  await runs.end("a2");
  expect(runs.started).toEqual(["a1", "b1", "a2", "a3"]);
});

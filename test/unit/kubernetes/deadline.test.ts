import { expect, test } from "vitest";
import { abortable, startDeadline } from "../../../src/kubernetes/deadline.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("a deadline aborts when its time is up, and says that this was why", async () => {
  const clock = new FakeClock();
  const deadline = startDeadline(clock, 100);
  await clock.advance(99);
  expect([deadline.signal.aborted, deadline.expired]).toEqual([false, false]);
  await clock.advance(1);
  expect([deadline.signal.aborted, deadline.expired]).toEqual([true, true]);
});

test("it hands on an abort from outside, which is no expiry", async () => {
  const clock = new FakeClock();
  const outer = new AbortController();
  const deadline = startDeadline(clock, 100, outer.signal);
  outer.abort(new Error("stop"));
  expect(deadline.signal.reason).toEqual(new Error("stop"));
  expect(deadline.expired).toBe(false);
  expect(startDeadline(clock, 100, outer.signal).signal.aborted).toBe(true);
});

test("a lifted limit does not expire, but an abort from outside is still handed on", async () => {
  const clock = new FakeClock();
  const outer = new AbortController();
  const deadline = startDeadline(clock, 100, outer.signal);
  deadline.lift();
  await clock.advance(1_000);
  expect(deadline.signal.aborted).toBe(false);
  outer.abort();
  expect([deadline.signal.aborted, deadline.expired]).toEqual([true, false]);
});

test("work that is over leaves no timer behind and is aborted by nothing", async () => {
  const clock = new FakeClock();
  const outer = new AbortController();
  const deadline = startDeadline(clock, 100, outer.signal);
  deadline.end();
  expect(clock.sleepers).toBe(0);
  outer.abort();
  await clock.advance(1_000);
  expect([deadline.signal.aborted, deadline.expired]).toEqual([false, false]);
});

test("abortable work ends with the abort, whatever the work does", async () => {
  const never = new Promise<never>(() => undefined);
  const abort = new AbortController();
  const work = abortable(never, abort.signal);
  abort.abort(new Error("stop"));
  await expect(work).rejects.toThrow("stop");
  await expect(abortable(never, abort.signal)).rejects.toThrow("stop");
});

test("abortable work that is not aborted gives its result or its error", async () => {
  const { signal } = new AbortController();
  await expect(abortable(Promise.resolve(1), signal)).resolves.toBe(1);
  await expect(abortable(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  await expect(abortable(Promise.resolve(1))).resolves.toBe(1);
});

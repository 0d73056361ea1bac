import { expect, test } from "vitest";
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

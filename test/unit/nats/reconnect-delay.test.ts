import { expect, test } from "vitest";
import { reconnectDelayMs } from "../../../src/nats/reconnect-delay.ts";

test.each([
  { failures: 1, from: 0, to: 2_000 },
  { failures: 2, from: 2_000, to: 4_000 },
  { failures: 3, from: 4_000, to: 8_000 },
  { failures: 6, from: 30_000, to: 60_000 },
  { failures: 10_000, from: 30_000, to: 60_000 },
])("after $failures failures it waits from $from to $to ms", ({ failures, from, to }) => {
  expect(reconnectDelayMs(failures, () => 0)).toBe(from);
  expect(reconnectDelayMs(failures, () => 1)).toBe(to);
});

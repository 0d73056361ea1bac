import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs, type BackoffPolicy } from "../../../src/runtime/backoff.ts";

const most = (): number => 1 - 2 ** -53;
const least = (): number => 0;
const policy: BackoffPolicy = { initialMs: 100, maxMs: 1_000 };

describe("backoffMs", () => {
  test.each([
    { attempt: 0, from: 50, to: 100 },
    { attempt: 1, from: 100, to: 200 },
    { attempt: 2, from: 200, to: 400 },
    { attempt: 3, from: 400, to: 800 },
    { attempt: 4, from: 500, to: 1_000 },
    { attempt: 100_000, from: 500, to: 1_000 },
  ])("try $attempt waits $from to $to ms", ({ attempt, from, to }) => {
    expect(backoffMs(policy, attempt, least)).toBe(from);
    expect(backoffMs(policy, attempt, most)).toBe(to);
  });

  test("grows by its own factor if it has one", () => {
    const delays = [0, 1, 2].map((attempt) =>
      backoffMs({ initialMs: 10, maxMs: 9_999, factor: 3 }, attempt, most),
    );
    expect(delays).toEqual([10, 30, 90]);
  });

  const policies = fc
    .record({
      initialMs: fc.integer({ min: 1, max: 60_000 }),
      maxMs: fc.integer({ min: 1, max: 3_600_000 }),
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
    })
    .filter(({ initialMs, maxMs }) => initialMs <= maxMs);
  const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  test("is whole, never above the cap, and never below half of what it starts with", () => {
    fc.assert(
      fc.property(policies, fc.nat(5_000), randoms, (given, attempt, random) => {
        const delay = backoffMs(given, attempt, () => random);
        expect(Number.isSafeInteger(delay)).toBe(true);
        expect(delay).toBeLessThanOrEqual(given.maxMs);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(given.initialMs / 2));
      }),
    );
  });

  test("never shrinks from one try to the next for the same chance", () => {
    fc.assert(
      fc.property(policies, fc.nat(100), randoms, (given, attempt, random) => {
        const next = backoffMs(given, attempt + 1, () => random);
        expect(next).toBeGreaterThanOrEqual(backoffMs(given, attempt, () => random));
      }),
    );
  });

  test("spreads a fleet over half of the delay", () => {
    const spread = new Set(
      Array.from({ length: 100 }, (_, i) => backoffMs(policy, 4, () => i / 100)),
    );
    expect(spread.size).toBe(100);
  });
});

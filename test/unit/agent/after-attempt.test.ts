import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { afterAttempt, type EndedAttempt } from "../../../src/agent/after-attempt.ts";
import type { RunEnd } from "../../../src/agent/run-end.ts";
import { OUTCOMES } from "../../../src/protocol/run.ts";

const NOW = Date.parse("2026-11-24T06:00:00.000Z");

function end(fields: Partial<RunEnd> = {}): RunEnd {
  return { outcome: "Failed", started: "True", reason: "NonZeroExit", message: "It.", ...fields };
}

interface Attempt extends Partial<Omit<EndedAttempt, "terms">> {
  readonly limit?: number;
  readonly idempotent?: boolean;
  readonly startBy?: string;
}

function attempt({ limit = 0, idempotent = false, startBy, ...rest }: Attempt): EndedAttempt {
  const retry = { limit, backoffMs: 1_000, maxBackoffMs: 6_000 };
  const terms = { retry, idempotent, ...(startBy === undefined ? {} : { startBy }) };
  return { attempts: 1, lastEnd: undefined, isInstant: false, ...rest, terms };
}

/** The longest pause, or how it ended. */
function follows(runEnd: Partial<RunEnd>, of: Attempt): number | string {
  const following = afterAttempt(end(runEnd), attempt(of), NOW, () => 1);
  return following.kind === "retry" ? following.notBefore - NOW : following.end.outcome;
}

describe("what follows an attempt that", () => {
  test.each([
    { outcome: "Failed", of: {}, want: "Failed" },
    { outcome: "Failed", of: { limit: 1 }, want: 1_000 },
    { outcome: "Failed", of: { limit: 1, attempts: 2 }, want: "Failed" },
    { outcome: "TimedOut", of: { limit: 1 }, want: 1_000 },
    { outcome: "TimedOut", of: {}, want: "TimedOut" },
    { outcome: "Interrupted", of: { limit: 1 }, want: "Interrupted" },
    { outcome: "Interrupted", of: { limit: 1, idempotent: true }, want: 1_000 },
    {
      outcome: "Interrupted",
      of: { limit: 1, idempotent: true, attempts: 2 },
      want: "Interrupted",
    },
    { outcome: "Interrupted", of: { idempotent: true }, want: "Interrupted" },
    { outcome: "Interrupted", of: { isInstant: true, attempts: 9 }, want: 0 },
    { outcome: "Failed", of: { isInstant: true }, want: "Failed" },
    { outcome: "Succeeded", of: { limit: 5, idempotent: true }, want: "Succeeded" },
    { outcome: "Cancelled", of: { limit: 5, idempotent: true }, want: "Cancelled" },
    { outcome: "Rejected", of: { limit: 5, idempotent: true }, want: "Rejected" },
    { outcome: "Expired", of: { limit: 5, idempotent: true }, want: "Expired" },
  ] as const)("$outcome, given $of, is $want", ({ outcome, of, want }) => {
    expect(follows({ outcome }, of)).toBe(want);
  });

  test.each([
    { idempotent: false, want: "Failed" },
    { idempotent: true, want: 1_000 },
  ] as const)(
    "may have succeeded for all that its lost files tell, idempotent: $idempotent, is $want",
    ({ idempotent, want }) => {
      expect(follows({ reason: "FilesLost" }, { limit: 1, idempotent })).toBe(want);
    },
  );

  test("could not be started is another one as well", () => {
    const spawn = { started: "False", reason: "ProgramNotFound" } as const;
    expect(follows(spawn, { limit: 1 })).toBe(1_000);
  });
});

test.each([
  [1, 1_000],
  [2, 2_000],
  [3, 4_000],
  [4, 6_000],
  [99, 6_000],
])("after %i attempts the pause is at most %i ms", (attempts, want) => {
  expect(follows({}, { limit: 100, attempts })).toBe(want);
});

test("the pause is the longest one or down to its half", () => {
  const following = afterAttempt(end(), attempt({ limit: 1 }), NOW, () => 0);
  expect(following).toMatchObject({ kind: "retry", notBefore: NOW + 500 });
});

test.each([
  { startBy: "2026-11-24T06:00:01.000Z", want: 1_000 },
  { startBy: "2026-11-24T06:00:00.999Z", want: "Failed" },
])("with the start deadline $startBy it is $want", ({ startBy, want }) => {
  expect(follows({}, { limit: 1, startBy })).toBe(want);
});

test("the start deadline is named where it is why there is no further attempt", () => {
  const startBy = "2026-11-24T05:00:00.000Z";
  const following = afterAttempt(end(), attempt({ limit: 1, startBy }), NOW, () => 1);
  expect(following.end.message).toBe(
    "It. No further attempt was made: its start deadline comes before it could be made.",
  );
});

describe("a run of several attempts", () => {
  const states = ["True", "Unknown", "False"] as const;
  const pairs = states.flatMap((last) => states.map((before) => [last, before] as const));

  test.each(pairs)("of which the last was started: %s and the one before: %s", (last, before) => {
    const lastEnd = end({ started: before });
    const following = afterAttempt(end({ started: last }), attempt({ lastEnd }), NOW, () => 1);
    const either = [last, before];
    const want = states.find((state) => either.includes(state));
    expect(following.end.started).toBe(want);
  });
});

test("there are never more than limit + 1 attempts, and a pause is never longer than it may", () => {
  const attempts = fc.record({
    outcome: fc.constantFrom(...OUTCOMES),
    attempts: fc.integer({ min: 1, max: 200 }),
    limit: fc.integer({ min: 0, max: 100 }),
    idempotent: fc.boolean(),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });
  fc.assert(
    fc.property(attempts, ({ outcome, random, ...of }) => {
      const following = afterAttempt(end({ outcome }), attempt(of), NOW, () => random);
      if (following.kind === "finish") return;
      expect(of.attempts).toBeLessThanOrEqual(of.limit);
      expect(following.notBefore - NOW).toBeGreaterThan(0);
      expect(following.notBefore - NOW).toBeLessThanOrEqual(6_000);
      if (outcome === "Interrupted") expect(of.idempotent).toBe(true);
    }),
  );
});

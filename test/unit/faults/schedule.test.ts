import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { CATALOGUE, FAULTS } from "../../faults/catalogue.ts";
import { makeSchedule, partsOf, type Step } from "../../faults/schedule.ts";
import { CONTROLLERS } from "../../faults/topology.ts";

const seed = fc.integer({ min: 0, max: 0xffff_ffff });
const seconds = fc.integer({ min: 10, max: 900 });

function endOf({ atMs, durationMs }: Step): number {
  return atMs + durationMs;
}

function overlap(step: Step, other: Step): boolean {
  return step.atMs < endOf(other) && other.atMs < endOf(step);
}

/** A schedule of many minutes is long, and looked at in pairs. */
const RUNS = { numRuns: 30 };

describe("a schedule of faults", () => {
  test("is the same for the same seed, and not for others", () => {
    fc.assert(
      fc.property(seed, seconds, (one, long) => {
        const schedule = makeSchedule({ seed: one, seconds: long });
        expect(makeSchedule({ seed: one, seconds: long })).toEqual(schedule);
      }),
      RUNS,
    );
    const different = new Set(
      Array.from({ length: 50 }, (_, index) =>
        JSON.stringify(makeSchedule({ seed: index, seconds: 120 })),
      ),
    );
    expect(different.size).toBe(50);
  });

  test("is in the order of time, and every fault is over before the end", () => {
    fc.assert(
      fc.property(seed, seconds, (one, long) => {
        const schedule = makeSchedule({ seed: one, seconds: long });
        const times = schedule.map(({ atMs }) => atMs);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        for (const step of schedule) {
          expect(step.atMs).toBeGreaterThan(0);
          expect(endOf(step)).toBeLessThan(long * 1_000);
        }
      }),
      RUNS,
    );
  });

  test("has at most one fault for each part at any time", () => {
    fc.assert(
      fc.property(seed, seconds, (one, long) => {
        const schedule = makeSchedule({ seed: one, seconds: long });
        for (const [index, step] of schedule.entries()) {
          const parts = new Set(partsOf(step));
          expect(parts.size).toBeGreaterThan(0);
          for (const other of schedule.slice(index + 1)) {
            if (overlap(step, other)) {
              expect(partsOf(other).filter((part) => parts.has(part))).toEqual([]);
            }
          }
        }
      }),
      RUNS,
    );
  });

  test("has times of quiet", () => {
    fc.assert(
      fc.property(seed, (one) => {
        const schedule = makeSchedule({ seed: one, seconds: 300 });
        const quiet = Array.from({ length: 300 }, (_, second) => second * 1_000).filter(
          (at) => !schedule.some((step) => step.atMs <= at && at < endOf(step)),
        );
        expect(quiet.length).toBeGreaterThan(20);
      }),
      RUNS,
    );
  });

  test("leaves the controllers, and all of Kubernetes, alone while etcd is restored", () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 180, max: 900 }), (one, long) => {
        const schedule = makeSchedule({ seed: one, seconds: long });
        const restores = schedule.filter(({ fault }) => fault === "etcd-restore");
        expect(restores.length).toBeGreaterThan(0);
        for (const restore of restores) {
          const meanwhile = schedule.filter((step) => step !== restore && overlap(step, restore));
          const touched = new Set(meanwhile.flatMap(partsOf));
          expect([...CONTROLLERS, "kubernetes"].filter((part) => touched.has(part))).toEqual([]);
        }
      }),
      RUNS,
    );
  });

  test("leaves out what the machine has not got, and has everything else sooner or later", () => {
    const without = new Set(["clock-jump", "machine-death"] as const);
    const steps = Array.from({ length: 40 }, (_, index) =>
      makeSchedule({ seed: index, seconds: 300, without }),
    ).flat();
    const made = new Set(steps.map(({ fault }) => fault));
    expect([...made].toSorted()).toEqual(
      FAULTS.filter((fault) => !(without as ReadonlySet<string>).has(fault)).toSorted(),
    );
    const targets = new Set(steps.map(({ fault, target }) => `${fault} ${target}`));
    const possible = CATALOGUE.filter(({ fault }) => made.has(fault)).flatMap(
      ({ fault, targets: all }) => all.map((target) => `${fault} ${target}`),
    );
    expect(possible.filter((each) => !targets.has(each))).toEqual([]);
  });
});

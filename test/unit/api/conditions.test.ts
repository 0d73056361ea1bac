import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  conditionList,
  setConditions,
  type Condition,
  type ConditionClaim,
} from "../../../src/api/conditions.ts";

const EARLIER = "2026-01-01T00:00:00Z";
const NOW = "2026-01-02T00:00:00Z";
const context = { observedGeneration: 7, now: NOW };

function condition(type: string, status: Condition["status"], more: object = {}): Condition {
  const before = { observedGeneration: 3, lastTransitionTime: EARLIER };
  return { type, status, reason: "Because", message: "so", ...before, ...more };
}

function claim(type: string, status: Condition["status"], more: object = {}): ConditionClaim {
  return { type, status, reason: "Because", message: "so", ...more };
}

interface Row {
  readonly name: string;
  readonly previous: readonly Condition[];
  readonly claims: readonly ConditionClaim[];
  readonly want: readonly (readonly [string, Condition["status"], string])[];
}

const rows: readonly Row[] = [
  {
    name: "a new condition has its time from now",
    previous: [],
    claims: [claim("Ready", "True")],
    want: [["Ready", "True", NOW]],
  },
  {
    name: "a condition that stays what it is keeps its time",
    previous: [condition("Ready", "True")],
    claims: [claim("Ready", "True")],
    want: [["Ready", "True", EARLIER]],
  },
  {
    name: "another reason or message does not move the time",
    previous: [condition("Ready", "True")],
    claims: [claim("Ready", "True", { reason: "Other", message: "other" })],
    want: [["Ready", "True", EARLIER]],
  },
  {
    name: "another status moves the time",
    previous: [condition("Ready", "True"), condition("Stalled", "False")],
    claims: [claim("Ready", "False"), claim("Stalled", "False")],
    want: [
      ["Ready", "False", NOW],
      ["Stalled", "False", EARLIER],
    ],
  },
  {
    name: "Unknown is a status of its own",
    previous: [condition("Ready", "False")],
    claims: [claim("Ready", "Unknown")],
    want: [["Ready", "Unknown", NOW]],
  },
  {
    name: "a type that is not claimed any more is dropped",
    previous: [condition("Ready", "True"), condition("Stalled", "True")],
    claims: [claim("Ready", "True")],
    want: [["Ready", "True", EARLIER]],
  },
  {
    name: "no claim is no condition",
    previous: [condition("Ready", "True")],
    claims: [],
    want: [],
  },
  {
    name: "the list is sorted by type, however it is claimed or was",
    previous: [condition("Stalled", "True"), condition("Accepted", "True")],
    claims: [claim("Stalled", "True"), claim("Ready", "True"), claim("Accepted", "False")],
    want: [
      ["Accepted", "False", NOW],
      ["Ready", "True", NOW],
      ["Stalled", "True", EARLIER],
    ],
  },
];

const types = fc.constantFrom("Accepted", "Completed", "Ready", "Reconciling", "Stalled");
const statuses = fc.constantFrom<Condition["status"]>("True", "False", "Unknown");
const unique = { selector: ({ type }: { type: string }) => type };
const anyClaims = fc.uniqueArray(
  fc.record({ type: types, status: statuses, reason: fc.constant("R"), message: fc.string() }),
  unique,
);
const anyPrevious = fc.uniqueArray(
  fc.tuple(types, statuses).map(([type, status]) => condition(type, status)),
  unique,
);

describe("setConditions", () => {
  test.each(rows)("$name", ({ previous, claims, want }) => {
    const next = setConditions(previous, claims, context);
    expect(next.map((one) => [one.type, one.status, one.lastTransitionTime])).toEqual(want);
  });

  test("says exactly what is claimed, of the generation that was observed", () => {
    fc.assert(
      fc.property(anyPrevious, anyClaims, (previous, claims) => {
        const next = setConditions(previous, claims, context);
        expect(next.map(({ type }) => type)).toEqual(claims.map(({ type }) => type).toSorted());
        for (const { lastTransitionTime, observedGeneration, ...said } of next) {
          expect(claims).toContainEqual(said);
          expect(observedGeneration).toBe(7);
          const unchanged = previous.some(
            ({ type, status }) => type === said.type && status === said.status,
          );
          expect(lastTransitionTime).toBe(unchanged ? EARLIER : NOW);
        }
        expect(conditionList.safeParse(next).success).toBe(true);
      }),
    );
  });

  test("claimed again later changes nothing, and changes no list that it was given", () => {
    fc.assert(
      fc.property(anyPrevious, anyClaims, (previous, claims) => {
        const frozen = structuredClone({ previous, claims });
        const once = setConditions(previous, claims, context);
        const later = { ...context, now: "2026-01-03T00:00:00Z" };
        expect(setConditions(once, claims.toReversed(), later)).toEqual(once);
        expect({ previous, claims }).toEqual(frozen);
      }),
    );
  });
});

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commonVersion, PROTOCOL, protocolRange } from "../../../src/protocol/version.ts";

describe("the common version", () => {
  test.each([
    { a: [1, 1], b: [1, 1], want: 1 },
    { a: [1, 3], b: [2, 5], want: 3 },
    { a: [1, 9], b: [4, 4], want: 4 },
    { a: [1, 2], b: [2, 3], want: 2 },
    { a: [1, 2], b: [3, 4], want: undefined },
    { a: [5, 1], b: [1, 9], want: undefined },
  ])("of $a and $b is $want", ({ a, b, want }) => {
    const [x, y] = [a, b].map(([min = 0, max = 0]) => ({ min, max }));
    expect(commonVersion(x ?? PROTOCOL, y ?? PROTOCOL)).toBe(want);
  });

  const ranges = fc.record({ min: fc.integer({ min: 1, max: 20 }), max: fc.nat(20) });

  test("is the newest that both ranges have, whoever asks", () => {
    fc.assert(
      fc.property(ranges, ranges, (a, b) => {
        const both = Array.from({ length: 21 }, (_, version) => version).filter((version) =>
          [a, b].every(({ min, max }) => min <= version && version <= max),
        );
        expect(commonVersion(a, b)).toBe(both.at(-1));
        expect(commonVersion(b, a)).toBe(both.at(-1));
      }),
    );
  });

  test("with itself is the newest that this build speaks", () => {
    expect(commonVersion(PROTOCOL, PROTOCOL)).toBe(PROTOCOL.max);
    expect(protocolRange.parse(PROTOCOL)).toEqual(PROTOCOL);
  });
});

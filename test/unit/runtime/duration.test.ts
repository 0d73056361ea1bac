import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DURATION_PATTERN, formatDuration, parseDuration } from "../../../src/runtime/duration.ts";

describe("parseDuration", () => {
  test.each([
    ["0s", 0],
    ["250ms", 250],
    ["90s", 90_000],
    ["1.5s", 1_500],
    ["5m", 300_000],
    ["0.5h", 1_800_000],
    ["1h30m", 5_400_000],
    ["1h2m3s4ms", 3_723_004],
    ["1s1s", 2_000],
    ["1m0.5s", 60_500],
    ["0.1ms0.4ms", 1],
    ["87600h", 315_360_000_000],
  ])("reads %s as %i ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    "",
    " ",
    "30",
    "s",
    "-1m",
    "+1m",
    "1 m",
    "1m ",
    "\n1m",
    "1m\n",
    "1d",
    "1us",
    "1M",
    ".5s",
    "5.s",
    "1.2.3s",
    "1e3s",
    "1h-30m",
    "Infinitys",
    "١s",
  ])("refuses %j and quotes it", (text) => {
    expect(() => parseDuration(text)).toThrow(RangeError);
    expect(() => parseDuration(text)).toThrow(`"${text}" is not a duration`);
  });

  test("refuses exactly what the pattern of the API does not match", () => {
    const pattern = new RegExp(DURATION_PATTERN);
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom("0", "1", "9", ".", "m", "s", "h", "-", " ") }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        if (pattern.test(text)) expect(parseDuration(text)).toBeGreaterThanOrEqual(0);
        else expect(() => parseDuration(text)).toThrow(RangeError);
      }),
    );
  });

  test("adds up its parts, whatever their order", () => {
    const part = fc.record({ n: fc.nat(9_999), unit: fc.constantFrom("ms", "s", "m", "h") });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const texts = parts.map(({ n, unit }) => `${n}${unit}`);
        const sum = texts.reduce((total, text) => total + parseDuration(text), 0);
        expect(parseDuration(texts.join(""))).toBe(sum);
        expect(parseDuration(texts.toReversed().join(""))).toBe(sum);
      }),
    );
  });
});

/** The smallest step that the reading of a duration can show. */
function resolution(ms: number): number {
  if (ms < 1_000) return 1;
  if (ms < 60_000) return 100;
  return ms < 3_600_000 ? 1_000 : 60_000;
}

describe("formatDuration", () => {
  test.each([
    [-5, "0ms"],
    [0, "0ms"],
    [850, "850ms"],
    [999.9, "999ms"],
    [1_000, "1s"],
    [1_234, "1.2s"],
    [59_999, "59.9s"],
    [60_000, "1m"],
    [61_000, "1m1s"],
    [119_600, "1m59s"],
    [300_000, "5m"],
    [3_599_999, "59m59s"],
    [3_600_000, "1h"],
    [3_659_999, "1h"],
    [7_380_000, "2h3m"],
    [90_000_000, "25h"],
  ])("writes %d ms as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  const durations = fc.oneof(
    fc.double({ min: 0, max: 1e12, noNaN: true }),
    fc.nat(120_000),
    fc.nat(8_000_000),
  );

  test("never says more than it was, and less only by what it leaves out", () => {
    fc.assert(
      fc.property(durations, (ms) => {
        const read = parseDuration(formatDuration(ms));
        expect(read).toBeLessThanOrEqual(ms);
        expect(read).toBeGreaterThan(ms - resolution(ms) - 1e-3);
      }),
    );
  });

  test("says again what it says of its own reading", () => {
    fc.assert(
      fc.property(durations, (ms) => {
        const text = formatDuration(ms);
        expect(formatDuration(parseDuration(text))).toBe(text);
      }),
    );
  });
});

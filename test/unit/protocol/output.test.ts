import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonBytes, MAX_INLINE_BYTES, output, safeText } from "../../../src/protocol/output.ts";

const BAD = "\ufffd";

/** Any sequence of UTF-16 code units, lone surrogates and control characters above all. */
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
  fc.string({
    unit: fc.constantFrom("\r", "\n", "\t", "\u001b", "\ud83d", "\udea2", "a", "\u202e", "\u0085"),
  }),
);

describe("safeText", () => {
  test.each([
    ["plain text", "plain text"],
    ["tab\tline\nend", "tab\tline\nend"],
    ["dos\r\nlines\r\n", "dos\nlines\n"],
    ["progress 10%\rprogress 20%", `progress 10%${BAD}progress 20%`],
    ["\r\r\n", `${BAD}\n`],
    ["\u001b[31mred\u001b[0m", `${BAD}[31mred${BAD}[0m`],
    ["\u009b31mred", `${BAD}31mred`],
    ["\u0000\u0007\u0008\u007f", BAD.repeat(4)],
    ["\u0085\u2028\u2029", BAD.repeat(3)],
    ["user\u202etxt.exe\u2066x\u2069", `user${BAD}txt.exe${BAD}x${BAD}`],
    ["lone \ud83d surrogate", `lone ${BAD} surrogate`],
    ["\udea2\ud83d", BAD.repeat(2)],
    ["🚢 Grüße 日本 ‍", "🚢 Grüße 日本 ‍"],
    ["", ""],
  ])("makes of %j %j", (text, want) => {
    expect(safeText(text)).toBe(want);
  });

  test("leaves no control character but tab and line end, and no half character", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const safe = safeText(text);
        expect(safe.isWellFormed()).toBe(true);
        for (const character of safe) {
          const code = character.codePointAt(0) ?? 0;
          const control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
          expect(control && character !== "\t" && character !== "\n").toBe(false);
          expect(code >= 0x202a && code <= 0x202e).toBe(false);
          expect(code >= 0x2066 && code <= 0x2069).toBe(false);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("keeps everything else, and changes nothing the second time", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const safe = safeText(text);
        expect(safeText(safe)).toBe(safe);
        const lines = text.replaceAll("\r\n", "\n").toWellFormed();
        const masked = Array.from(lines, (character, i) =>
          Array.from(safe)[i] === BAD ? BAD : character,
        );
        expect(safe).toBe(masked.join(""));
      }),
    );
  });

  test("takes a megabyte of nothing but escapes", () => {
    expect(safeText("\u001b".repeat(1 << 20))).toBe(BAD.repeat(1 << 20));
  });
});

describe("jsonBytes", () => {
  test.each([
    ["", 0],
    ["abc", 3],
    ['"', 2],
    ["\n", 2],
    ["\u0000", 6],
    ["é", 2],
    ["🚢", 4],
    ["\ud83d", 6],
  ])("of %j is %i", (text, bytes) => {
    expect(jsonBytes(text)).toBe(bytes);
  });

  test("is what JSON.stringify makes of it in UTF-8, without the quotes", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const json = new TextEncoder().encode(JSON.stringify({ text }));
        expect(jsonBytes(text)).toBe(json.length - '{"text":""}'.length);
      }),
    );
  });

  test("of a concatenation is the sum, as long as no character is cut", () => {
    const whole = fc.string({ unit: "grapheme" });
    fc.assert(
      fc.property(whole, whole, (a, b) => {
        expect(jsonBytes(a + b)).toBe(jsonBytes(a) + jsonBytes(b));
      }),
    );
  });
});

describe("output in a report", () => {
  const stream = { text: "", bytes: 0, sha256: "0".repeat(64), truncated: false };

  test.each([
    ["x".repeat(MAX_INLINE_BYTES), true],
    ["x".repeat(MAX_INLINE_BYTES + 1), false],
    ["\u0000".repeat(MAX_INLINE_BYTES / 6), true],
    ["\u0000".repeat(MAX_INLINE_BYTES / 6 + 1), false],
    ["🚢".repeat(MAX_INLINE_BYTES / 4), true],
    ["🚢".repeat(MAX_INLINE_BYTES / 4) + "x", false],
  ])("is measured in the bytes of its JSON (row %#)", (text, fits) => {
    expect(output.safeParse({ ...stream, text }).success).toBe(fits);
  });
});

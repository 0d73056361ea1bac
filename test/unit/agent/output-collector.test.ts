import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutputCollector } from "../../../src/agent/output-collector.ts";
import { jsonBytes, safeText, type Output } from "../../../src/protocol/output.ts";

function collect(chunks: readonly Uint8Array[], limit: number): Output {
  const collector = new OutputCollector(limit);
  for (const chunk of chunks) collector.push(chunk);
  return collector.output();
}

/** Bytes as commands print them: text, binary, control characters, cut characters. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc.string({ unit: "binary", maxLength: 200 }).map((text) => new TextEncoder().encode(text)),
  fc
    .array(fc.constantFrom("\r\n", "\u001b[31m", "é", "🚢", "\u202e", "\0", "x"), {
      maxLength: 200,
    })
    .map((parts) => new TextEncoder().encode(parts.join(""))),
  fc.integer({ min: 0, max: 3_000 }).map((length) => new Uint8Array(length).fill(0x61)),
);
const streams = fc.array(bytes, { maxLength: 8 });

describe("whatever a command prints, in whatever pieces", () => {
  test("the text is bounded, safe, and says how many bytes it leaves out", () => {
    fc.assert(
      fc.property(streams, fc.integer({ min: 0, max: 600 }), (chunks, limit) => {
        const output = collect(chunks, limit);
        expect(jsonBytes(output.text)).toBeLessThanOrEqual(limit);
        expect(safeText(output.text)).toBe(output.text);
        const whole = safeText(Buffer.concat(chunks).toString("utf8"));
        if (output.truncated) expect(jsonBytes(whole)).toBeGreaterThan(limit);
        else expect(output.text).toBe(whole);
      }),
      { numRuns: 300 },
    );
  });

  test("the byte count and the hash are those of all of it", () => {
    fc.assert(
      fc.property(streams, fc.integer({ min: 0, max: 100 }), (chunks, limit) => {
        const output = collect(chunks, limit);
        const whole = Buffer.concat(chunks);
        expect(output.bytes).toBe(whole.length);
        expect(output.sha256).toBe(createHash("sha256").update(whole).digest("hex"));
      }),
    );
  });

  test("the pieces make no difference", () => {
    fc.assert(
      fc.property(streams, fc.integer({ min: 0, max: 600 }), (chunks, limit) => {
        const whole = Buffer.concat(chunks);
        const single = Array.from(whole, (byte) => Uint8Array.of(byte));
        expect(collect(single, limit)).toEqual(collect([whole], limit));
      }),
      { numRuns: 60 },
    );
  });

  test("no character is cut in two", () => {
    const character = fc.constantFrom("é", "€", "🚢", "a");
    fc.assert(
      fc.property(
        fc.array(character, { minLength: 50, maxLength: 300 }),
        fc.integer({ min: 0, max: 160 }),
        (characters, limit) => {
          const output = collect([Buffer.from(characters.join(""))], limit);
          expect(output.text).not.toContain("\ufffd");
        },
      ),
      { numRuns: 200 },
    );
  });

  test("what is shown and what is left out make up the whole", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2_000 }),
        fc.integer({ min: 64, max: 300 }),
        (n, limit) => {
          const { text } = collect([new Uint8Array(n).fill(0x61)], limit);
          const leftOut = Number(/… (\d+) bytes left out …/.exec(text)?.[1] ?? 0);
          const shown = text.replace(/\n… \d+ bytes left out …\n/, "").length;
          expect(shown + leftOut).toBe(n);
        },
      ),
    );
  });
});

test("a long output keeps its beginning and its end", () => {
  const lines = Array.from({ length: 10_000 }, (_, index) => `line ${index}\n`);
  const output = collect(
    lines.map((line) => Buffer.from(line)),
    200,
  );
  expect(output.truncated).toBe(true);
  expect(output.text).toMatch(/^line 0\nline 1\n/);
  expect(output.text).toMatch(/line 9998\nline 9999\n$/);
  expect(output.text).toMatch(/\n… 98\d{3} bytes left out …\n/);
});

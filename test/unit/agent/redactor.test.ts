import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { redactionForms } from "../../../src/agent/redaction-forms.ts";
import { RedactionPatterns } from "../../../src/agent/redaction-patterns.ts";
import { Redaction, Redactor } from "../../../src/agent/redactor.ts";

const MARKER = "[redacted]";

function redacted(values: readonly string[], chunks: readonly (string | Uint8Array)[]): string {
  const out: Buffer[] = [];
  const redactor = new Redaction(values).stream((bytes) => out.push(Buffer.from(bytes)));
  for (const chunk of chunks) redactor.push(Buffer.from(chunk));
  redactor.end();
  return Buffer.concat(out).toString("latin1");
}

function matched(patterns: readonly Uint8Array[], chunks: readonly Uint8Array[]): string {
  const out: Buffer[] = [];
  const emit = (bytes: Uint8Array): void => void out.push(Buffer.from(bytes));
  const redactor = new Redactor(new RedactionPatterns(patterns), emit);
  for (const chunk of chunks) {
    redactor.push(chunk);
    // The memory of a chunk is used again for the next one.
    chunk.fill(0x21);
  }
  redactor.end();
  return Buffer.concat(out).toString("latin1");
}

/** What the redactor promises, in the plainest words: every byte of every occurrence goes. */
function byDefinition(patterns: readonly Uint8Array[], text: Buffer): string {
  const isCovered = Array.from(text, () => false);
  for (const pattern of patterns) {
    for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) {
      isCovered.fill(true, at, at + pattern.length);
    }
  }
  let result = "";
  for (const [index, byte] of text.entries()) {
    if (isCovered[index] !== true) result += String.fromCharCode(byte);
    else if (isCovered[index - 1] !== true) result += MARKER;
  }
  return result;
}

/** Few letters, so that patterns overlap, contain each other and begin within each other. */
const letters = fc.array(fc.constantFrom(0x61, 0x62, 0x63, 0xff), { minLength: 1, maxLength: 7 });
const patterns = fc.array(
  letters.map((bytes) => Uint8Array.from(bytes)),
  { maxLength: 5 },
);
const chunks = fc.array(
  fc
    .array(fc.constantFrom(0x61, 0x62, 0x63, 0xff, 0x00), { maxLength: 20 })
    .map((bytes) => Uint8Array.from(bytes)),
  { maxLength: 8 },
);

describe("of any stream, in any pieces", () => {
  test("each byte of each occurrence goes, and nothing else", () => {
    fc.assert(
      fc.property(patterns, chunks, (wanted, pieces) => {
        const text = Buffer.concat(pieces);
        expect(matched(wanted, pieces)).toBe(byDefinition(wanted, text));
      }),
      { numRuns: 2_000 },
    );
  });

  // Only a value with a part of the marker in it can come about by the marker.
  test("no value of four bytes or more is left", () => {
    const unit = fc.constantFrom("a", "b", "%", "=", '"', "\n", "\r\n", "\0", "é", "🚢", "\ud800");
    const value = fc.string({ unit, minLength: 1, maxLength: 16 });
    const pieces = fc.array(fc.string({ unit, maxLength: 10 }), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), pieces, (values, between) => {
        const secrets = values.filter((text) => Buffer.byteLength(text) >= 4);
        const text = Buffer.from(between.join(values.join("")) + values.join(between.join("")));
        const whole = redacted(values, [text]);
        expect(redacted(values, [text.subarray(0, 7), text.subarray(7)])).toBe(whole);
        const inBytes = secrets.map((secret) => Buffer.from(secret).toString("latin1"));
        expect(inBytes.filter((secret) => whole.includes(secret))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a value goes in the form in which a command prints it:", () => {
  const value = 'pass word/+?é"x\n';
  const bare = value.trimEnd();
  const long = Array.from({ length: 40 }, (_, index) => `secret part ${index}`).join(":");

  test.each([
    ["as it is", bare],
    ["in base64", Buffer.from(value).toString("base64")],
    ["in base64 without its last line end", Buffer.from(bare).toString("base64")],
    ["in base64url", Buffer.from(value).toString("base64url")],
    ["in a URL", encodeURIComponent(bare)],
    ["in a form", new URLSearchParams({ "": bare }).toString().slice(1)],
    ["in JSON", JSON.stringify(bare).slice(1, -1)],
    ["in JSON of ASCII only", JSON.stringify(bare).slice(1, -1).replace("é", "\\u00e9")],
  ])("%s", (_, printed) => {
    expect(redacted([value], ["<", printed, ">"])).toBe(`<${MARKER}>`);
  });

  test.each(["a", "ab", "abc", "user:", "three:four"])(
    "in base64 of a text in which %j comes before it",
    (before) => {
      const encoded = Buffer.from(`${before}correct-horse-battery`).toString("base64");
      const left = redacted(["correct-horse-battery"], [encoded]);
      expect(left).toContain(MARKER);
      // Of the letters at both ends only some bits are the value's.
      expect(left.replace(MARKER, "").length).toBeLessThan((before.length * 4) / 3 + 6);
    },
  );

  test.each([76, 64])("in base64 in lines of %i characters", (width) => {
    const encoded = Buffer.from(long).toString("base64");
    const lines = encoded.match(new RegExp(`.{1,${width}}`, "g")) ?? [];
    const left = redacted([long], [lines.join("\n")]);
    expect(left.replaceAll(MARKER, "").trim().length).toBeLessThan(8);
  });

  test("line by line, where a line has eight characters or more", () => {
    const key = "first line\nsecond line\nshort\nthird line";
    expect(redacted([key], ["1: second line\n2: short\n"])).toBe(`1: ${MARKER}\n2: short\n`);
  });
});

test("the line end of a value out of a file stays", () => {
  expect(redacted(["correct\n"], ["1: correct\n2: correct\r\n"])).toBe(
    `1: ${MARKER}\n2: ${MARKER}\r\n`,
  );
});

test("a value of less than four bytes is part of too much to be redacted", () => {
  expect(redacted(["abc", "", "\n"], ["abcabc\n"])).toBe("abcabc\n");
});

test("what is redacted one behind the other is one mark", () => {
  expect(redacted(["correct", "horse"], ["a correct", "horsecorrect b"])).toBe(`a ${MARKER} b`);
});

test("the forms of all values together are bounded, and the values themselves come first", () => {
  const values = Array.from({ length: 6 }, (_, index) => `${index}`.repeat(32_768));
  const forms = redactionForms(values);
  const bytes = forms.reduce((sum, { length }) => sum + length, 0);
  expect(bytes).toBeLessThanOrEqual(1_048_576);
  for (const value of values)
    expect(forms.some((form) => form.equals(Buffer.from(value)))).toBe(true);
});

test("a megabyte that might be the beginning of a value all the time is redacted all the same", () => {
  const value = `${"a".repeat(30_000)}b`;
  const text = Buffer.alloc(1_048_576, "a");
  expect(redacted([value], [text, "b"]).length).toBe(text.length - 30_000 + MARKER.length);
});

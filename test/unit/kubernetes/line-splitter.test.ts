import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter, LineTooLongError } from "../../../src/kubernetes/line-splitter.ts";

function split(bytes: Buffer, chunkSizes: readonly number[]): string[] {
  const splitter = new LineSplitter();
  const lines: string[] = [];
  let at = 0;
  for (const size of [...chunkSizes, bytes.length]) {
    lines.push(...splitter.push(bytes.subarray(at, at + size)));
    at = Math.min(bytes.length, at + size);
  }
  expect(splitter.pendingBytes).toBe(0);
  return lines;
}

test("lines come out whole wherever the stream is cut, also inside characters", () => {
  const character = fc.constantFrom("a", '"', "\r", "\u0000", "é", "€", "😀");
  const line = fc.string({ unit: character, maxLength: 6 }).map((text) => `|${text}`);
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 30 }),
      (lines, chunkSizes) => {
        const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(""), "utf8");
        expect(split(bytes, chunkSizes)).toEqual(lines);
      },
    ),
  );
});

test("empty lines are left out", () => {
  expect(split(Buffer.from("\n\na\n \r\nb\n"), [])).toEqual(["a", "b"]);
});

test("an unfinished line is held, not given out", () => {
  const splitter = new LineSplitter();
  expect([...splitter.push(Buffer.from("a\nbc"))]).toEqual(["a"]);
  expect(splitter.pendingBytes).toBe(2);
});

test("a line of megabytes in small pieces comes out whole", () => {
  const splitter = new LineSplitter();
  const piece = Buffer.from("é".repeat(2_000));
  for (let count = 0; count < 1_000; count += 1) {
    expect([...splitter.push(piece)]).toEqual([]);
  }
  const [line] = splitter.push(Buffer.from("\n"));
  expect(line).toHaveLength(2_000_000);
});

test("a line without end is an error, not all of the memory", () => {
  const splitter = new LineSplitter(10);
  expect([...splitter.push(Buffer.from("0123456789\n"))]).toEqual(["0123456789"]);
  expect(() => [...splitter.push(Buffer.from("0123456789A"))]).toThrow(LineTooLongError);
});

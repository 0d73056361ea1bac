import { jsonBytes, safeText } from "../protocol/output.ts";

/** The ends of a stream of `bytes` bytes: together all of it, or with a gap between them. */
export interface KeptBytes {
  readonly head: Buffer;
  readonly tail: Buffer;
  readonly bytes: number;
}

export interface InlineText {
  readonly text: string;
  readonly truncated: boolean;
}

/**
 * The text of a stream, made safe for a terminal and, if it is longer than `limit` bytes in JSON, cut in
 * the middle, where a line says how many bytes are missing. No character is cut in two. Where not even
 * that line fits, only the beginning is kept.
 */
export function inlineText(kept: KeptBytes, limit: number): InlineText {
  const isWhole = kept.head.length + kept.tail.length === kept.bytes;
  const head = isWhole ? Buffer.concat([kept.head, kept.tail]) : kept.head;
  const whole = isWhole ? readable(head) : undefined;
  if (whole !== undefined && jsonBytes(whole) <= limit) return { text: whole, truncated: false };
  // The number of bytes left out is at most `bytes`, and so is its number of digits.
  const room = limit - jsonBytes(marker(kept.bytes));
  if (room < 0) {
    return { text: readable(head.subarray(0, prefixLength(head, limit))), truncated: true };
  }
  const first = head.subarray(0, prefixLength(head, Math.floor(room / 2)));
  const beginning = readable(first);
  // The two ends cannot overlap: they take less than the limit, and the whole takes more.
  const tail = isWhole ? head : kept.tail;
  const last = tail.subarray(suffixStart(tail, room - jsonBytes(beginning)));
  const leftOut = kept.bytes - first.length - last.length;
  return { text: beginning + marker(leftOut) + readable(last), truncated: true };
}

function marker(bytes: number): string {
  return `\n… ${bytes} bytes left out …\n`;
}

function readable(bytes: Buffer): string {
  return safeText(bytes.toString("utf8"));
}

/** How many bytes from the start make a text of at most `room` bytes in JSON. */
function prefixLength(bytes: Buffer, room: number): number {
  const cutAt = (length: number): number => characterStart(bytes, length);
  const fits = (length: number): boolean =>
    jsonBytes(readable(bytes.subarray(0, cutAt(length)))) <= room;
  return cutAt(largest(Math.min(bytes.length, room), fits));
}

/** Where the longest end begins that makes a text of at most `room` bytes in JSON. */
function suffixStart(bytes: Buffer, room: number): number {
  const cutAt = (length: number): number => nextCharacterStart(bytes, bytes.length - length);
  const fits = (length: number): boolean =>
    jsonBytes(readable(bytes.subarray(cutAt(length)))) <= room;
  return cutAt(largest(Math.min(bytes.length, room), fits));
}

/** A length up to `max` that fits; the largest one, if whatever is longer than a misfit is one too. */
function largest(max: number, fits: (length: number) => boolean): number {
  let fitting = 0;
  let tooLong = max + 1;
  while (tooLong - fitting > 1) {
    const middle = Math.floor((fitting + tooLong) / 2);
    if (fits(middle)) fitting = middle;
    else tooLong = middle;
  }
  return fitting;
}

/** UTF-8 has at most three bytes after the first of a character. */
const MAX_CONTINUATION = 3;

/** The start of the character that has the byte at `index`. */
function characterStart(bytes: Buffer, index: number): number {
  let start = index;
  while (start > 0 && index - start < MAX_CONTINUATION && isContinuation(bytes[start])) start -= 1;
  return start;
}

/** `index`, if a character starts there, or where the next one does. */
function nextCharacterStart(bytes: Buffer, index: number): number {
  let start = index;
  while (start - index < MAX_CONTINUATION && isContinuation(bytes[start])) start += 1;
  return start;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

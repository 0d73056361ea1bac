/** What is shorter, in bytes, is part of too much that is no secret. */
const MIN_FORM_BYTES = 4;
/** Of a line of a longer value, and of a piece of a wrapped encoding, in characters. */
const MIN_PIECE = 8;
/** Where base64 wraps the lines of what it writes, and where PEM does. */
const WRAPPED_AT = [76, 64] as const;
/** All forms together: what looks for them takes 21 times as much memory. */
const MAX_BYTES = 1_048_576;

/**
 * The texts in which commands print these values: as they are, without the line end that a file has at its end,
 * line by line, and in the encodings that are common. What is too long to be looked for in every encoding is
 * looked for in those that come first. Pure.
 */
export function redactionForms(values: readonly string[]): Buffer[] {
  const wellFormed = values.map((value) => value.toWellFormed()).filter(isLongEnough);
  const plain = wellFormed.flatMap(plainForms);
  const encoded = wellFormed.flatMap((value) => [
    ...base64Forms(value),
    ...escapedForms(withoutLineEnd(value)),
  ]);
  let room = MAX_BYTES;
  return Array.from(new Set([...plain, ...encoded]), (form) => Buffer.from(form)).filter((form) => {
    if (form.length < MIN_FORM_BYTES || form.length > room) return false;
    room -= form.length;
    return true;
  });
}

function plainForms(value: string): string[] {
  const lines = value.split(/\r?\n/);
  return [withoutLineEnd(value), ...(lines.length > 1 ? lines.filter(isPiece) : [])];
}

/** A value out of a file has one that is no part of the secret: `$(…)` takes it away, and `echo` adds one. */
function withoutLineEnd(value: string): string {
  const trimmed = value.replace(/\r?\n$/, "");
  return isLongEnough(trimmed) ? trimmed : value;
}

function escapedForms(value: string): string[] {
  const percent = encodeURIComponent(value);
  const json = JSON.stringify(value).slice(1, -1);
  return [
    percent,
    percent.replaceAll("%20", "+"),
    percent.replace(/[!'()*]/g, hexEscape),
    json,
    json.replace(/[^\0-\x7f]/g, unicodeEscape),
  ];
}

/** Base64 and base64url, as a whole, in wrapped lines, and what they have of it in any text that it is part of. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(withoutLineEnd(value));
  const whole = bytes.toString("base64");
  const withLineEnd = Buffer.from(value).toString("base64");
  const inner = [0, 1, 2].map((offset) => innerBase64(bytes, offset));
  const lines = [whole, withLineEnd, inner[0] ?? ""].flatMap(wrapped);
  const standard = [whole, withLineEnd, ...inner, ...lines];
  return [...standard, ...standard.map(urlSafe)];
}

/** The characters that stand for nothing but these bytes where `offset` others (modulo 3) come before them. */
function innerBase64(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  const first = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + bytes.length) * 8) / 6);
  return encoded.slice(first, end);
}

function wrapped(encoded: string): string[] {
  return WRAPPED_AT.flatMap((width) => {
    if (encoded.length <= width) return [];
    const count = Math.ceil(encoded.length / width);
    const lines = Array.from({ length: count }, (_, index) =>
      encoded.slice(index * width, (index + 1) * width),
    );
    return lines.filter(isPiece);
  });
}

function urlSafe(base64: string): string {
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function isLongEnough(text: string): boolean {
  return Buffer.byteLength(text) >= MIN_FORM_BYTES;
}

function isPiece(text: string): boolean {
  return text.length >= MIN_PIECE;
}

function hexEscape(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

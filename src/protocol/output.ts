import { z } from "zod";

/** Bounds of one stream's text in a report, in bytes of its JSON form. */
export const MAX_INLINE_BYTES = 4096;

/** One stream of a command: its text, made safe and cut in the middle, and what it was in whole. */
export const output = z.strictObject({
  text: z.string().refine((text) => jsonBytes(text) <= MAX_INLINE_BYTES, "too long"),
  /** Bytes that the command wrote. */
  bytes: z.int().min(0),
  /** SHA-256 of all of them, lower-case hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  truncated: z.boolean(),
});
export type Output = z.infer<typeof output>;

/**
 * Output is hostile: this makes it safe for a terminal. What stays are printable characters, tabs and
 * line ends; escape sequences lose their escape, other control characters, and the direction overrides
 * with which text can pose as other text, become U+FFFD. Idempotent.
 */
export function safeText(text: string): string {
  return text
    .toWellFormed()
    .replaceAll("\r\n", "\n")
    .replace(/[^\P{Cc}\t\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
}

/** The length in bytes that a text takes as the content of a JSON string in UTF-8. */
export function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}

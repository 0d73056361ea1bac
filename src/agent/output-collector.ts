import { createHash } from "node:crypto";
import type { Output } from "../protocol/output.ts";
import { inlineText } from "./output-text.ts";

/**
 * Takes in one stream of a command, however long, and remembers its first and last bytes, its length and
 * its hash.
 *
 * INVARIANTS
 * - Memory is 2 × `inlineBytes`, three bytes and a hash state, whatever comes.
 * - A chunk is not kept once `push` has returned.
 */
export class OutputCollector {
  readonly #inlineBytes: number;
  readonly #hash = createHash("sha256");
  readonly #head: Buffer;
  /** A ring: when full, its oldest byte is at `#tailEnd`. */
  readonly #tail: Buffer;
  #headLength = 0;
  #tailLength = 0;
  #tailEnd = 0;
  #bytes = 0;

  /** `inlineBytes`: the longest text that `output` makes, in bytes of its JSON form. */
  constructor(inlineBytes: number) {
    this.#inlineBytes = inlineBytes;
    // A byte of output takes at least one byte of JSON, so more than this could never be shown.
    // The further bytes tell whether a character was complete where the beginning is cut.
    this.#head = Buffer.alloc(inlineBytes + 3);
    this.#tail = Buffer.alloc(inlineBytes);
  }

  /** How many bytes came so far. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    const toHead = Math.min(chunk.length, this.#head.length - this.#headLength);
    this.#head.set(chunk.subarray(0, toHead), this.#headLength);
    this.#headLength += toHead;
    this.#pushTail(chunk.subarray(toHead));
  }

  /** What came, for a report. To be called once, at the end. */
  output(): Output {
    const oldest = this.#tailLength < this.#tail.length ? 0 : this.#tailEnd;
    const tail = Buffer.concat([
      this.#tail.subarray(oldest, this.#tailLength),
      this.#tail.subarray(0, oldest),
    ]);
    const kept = { head: this.#head.subarray(0, this.#headLength), tail, bytes: this.#bytes };
    const sha256 = this.#hash.digest("hex");
    return { ...inlineText(kept, this.#inlineBytes), bytes: this.#bytes, sha256 };
  }

  #pushTail(chunk: Uint8Array): void {
    const size = this.#tail.length;
    if (size === 0) return;
    const last = chunk.subarray(Math.max(0, chunk.length - size));
    const untilWrap = Math.min(last.length, size - this.#tailEnd);
    this.#tail.set(last.subarray(0, untilWrap), this.#tailEnd);
    this.#tail.set(last.subarray(untilWrap), 0);
    this.#tailEnd = (this.#tailEnd + last.length) % size;
    this.#tailLength = Math.min(size, this.#tailLength + last.length);
  }
}

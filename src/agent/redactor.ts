import { redactionForms } from "./redaction-forms.ts";
import { RedactionPatterns } from "./redaction-patterns.ts";

const MARKER = Buffer.from("[redacted]");

/** The values that are to be seen nowhere, and what looks for them: made when it is first needed. */
export class Redaction {
  readonly #values: readonly string[];
  #patterns: RedactionPatterns | undefined;

  constructor(values: readonly string[]) {
    this.#values = values;
  }

  /** Redacts one stream; `emit` is given what is left of it, piece by piece, in buffers that it must not keep. */
  stream(emit: (bytes: Uint8Array) => void): Redactor {
    this.#patterns ??= new RedactionPatterns(redactionForms(this.#values));
    return new Redactor(this.#patterns, emit);
  }
}

/** A part of the stream, from its byte `start` up to before its byte `end`. */
interface Span {
  start: number;
  end: number;
}

/**
 * Replaces what the patterns match in a stream.
 *
 * INVARIANTS
 * - Each byte of each occurrence goes, also of those that overlap; what hangs together is one `[redacted]`.
 * - The pieces in which the stream comes make no difference.
 * - Between two calls it holds less than the longest pattern of it. Its time is linear.
 */
export class Redactor {
  readonly #patterns: RedactionPatterns;
  readonly #emit: (bytes: Uint8Array) => void;
  #state = 0;
  /** How many bytes have come. */
  #length = 0;
  /** The last of them, which may belong to an occurrence that is not complete yet. */
  #held: Uint8Array = new Uint8Array();
  /** What is redacted of them, in order and apart from each other. */
  #spans: Span[] = [];
  /** Where the last part ends whose marker is out; what goes on from there needs no other. */
  #markedUntil = -1;

  constructor(patterns: RedactionPatterns, emit: (bytes: Uint8Array) => void) {
    this.#patterns = patterns;
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    const first = this.#length - this.#held.length;
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#match(chunk);
    const decided = this.#length - this.#patterns.depth(this.#state);
    this.#release(bytes.subarray(0, decided - first), first);
    // The chunk's memory is the caller's.
    this.#held = new Uint8Array(bytes.subarray(decided - first));
  }

  /** Nothing more comes. `isCut`: although there was more, so that what it ends with may be half of an occurrence. */
  end({ isCut }: { readonly isCut: boolean } = { isCut: false }): void {
    if (isCut && this.#held.length > 0) {
      this.#redact(this.#length - this.#held.length, this.#length);
    }
    this.#release(this.#held, this.#length - this.#held.length);
    this.#held = new Uint8Array();
  }

  #match(chunk: Uint8Array): void {
    const patterns = this.#patterns;
    let state = this.#state;
    let length = this.#length;
    for (const byte of chunk) {
      state = patterns.after(state, byte);
      length += 1;
      const matched = patterns.longest(state);
      if (matched > 0) this.#redact(length - matched, length);
    }
    this.#state = state;
    this.#length = length;
  }

  /** Ends come in order; starts do not, and may swallow what came before. */
  #redact(from: number, end: number): void {
    let start = from;
    let last = this.#spans.at(-1);
    while (last !== undefined && last.start > start && last.end >= start) {
      this.#spans.pop();
      last = this.#spans.at(-1);
    }
    if (last !== undefined && last.end >= start) last.end = end;
    else this.#spans.push({ start, end });
  }

  /** Emits what is decided: `bytes`, of which the first is the byte `first` of the stream. */
  #release(bytes: Uint8Array, first: number): void {
    const end = first + bytes.length;
    let at = first;
    const spans = this.#spans;
    this.#spans = [];
    for (const span of spans) {
      if (span.end > end) this.#spans.push({ start: Math.max(span.start, end), end: span.end });
      if (span.start >= end) continue;
      this.#emitPart(bytes.subarray(at - first, span.start - first));
      if (span.start > this.#markedUntil) this.#emit(MARKER);
      at = Math.min(span.end, end);
      this.#markedUntil = at;
    }
    this.#emitPart(bytes.subarray(at - first));
  }

  #emitPart(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#emit(bytes);
  }
}

const NEWLINE = 0x0a;

/** The largest object etcd takes is 1.5 MB by default; a line far beyond that is no watch event. */
const DEFAULT_MAX_LINE_BYTES = 32 * 1024 * 1024;

/** A line of a watch was longer than any object can be. */
export class LineTooLongError extends Error {
  override readonly name = "LineTooLongError";
}

/**
 * Cuts a stream of bytes into lines of UTF-8. It cuts by bytes and decodes whole lines only, so a
 * character split between two chunks stays whole. The work is linear however long a line is.
 */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  constructor(maxLineBytes: number = DEFAULT_MAX_LINE_BYTES) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** How many bytes of an unfinished line are held. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** The lines that this chunk completes, without their ends and without empty ones. */
  *push(chunk: Uint8Array): Generator<string, void, undefined> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end === -1) break;
      const line = this.#take(chunk.subarray(start, end));
      start = end + 1;
      if (line.trim() !== "") yield line;
    }
    this.#hold(chunk.subarray(start));
  }

  #take(rest: Uint8Array): string {
    this.#hold(rest);
    const line = Buffer.concat(this.#pending, this.#pendingBytes).toString("utf8");
    this.#pending = [];
    this.#pendingBytes = 0;
    return line;
  }

  #hold(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#pending.push(part);
    this.#pendingBytes += part.length;
    if (this.#pendingBytes > this.#maxLineBytes) {
      throw new LineTooLongError(`a line is longer than ${this.#maxLineBytes} bytes`);
    }
  }
}

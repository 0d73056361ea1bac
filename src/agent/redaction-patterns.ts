const BYTE_VALUES = 256;

/**
 * Many byte strings, looked for at once in one pass over any text: the automaton of Aho and Corasick. Its state after
 * a text is the longest end of it with which one of the strings begins. 21 bytes of memory a byte of the strings.
 */
export class RedactionPatterns {
  readonly #firstChild: Int32Array;
  readonly #nextSibling: Int32Array;
  readonly #byte: Uint8Array;
  /** The state of the next shorter end. */
  readonly #fallback: Int32Array;
  readonly #depth: Int32Array;
  readonly #longest: Int32Array;
  /** The root's children, where most of a text is looked up. */
  readonly #start = new Int32Array(BYTE_VALUES);
  #states = 1;

  constructor(patterns: readonly Uint8Array[]) {
    const size = 1 + patterns.reduce((sum, { length }) => sum + length, 0);
    this.#firstChild = new Int32Array(size);
    this.#nextSibling = new Int32Array(size);
    this.#byte = new Uint8Array(size);
    this.#fallback = new Int32Array(size);
    this.#depth = new Int32Array(size);
    this.#longest = new Int32Array(size);
    for (const pattern of patterns) this.#add(pattern);
    this.#link();
  }

  /** The state after a further byte; the first state is 0. */
  after(state: number, byte: number): number {
    for (let at = state; at !== 0; at = this.#fallback[at] ?? 0) {
      const next = this.#child(at, byte);
      if (next !== 0) return next;
    }
    return this.#start[byte] ?? 0;
  }

  /** How many of the last bytes one of the strings may begin with. */
  depth(state: number): number {
    return this.#depth[state] ?? 0;
  }

  /** The length of the longest of the strings that ends here; 0 if none does. */
  longest(state: number): number {
    return this.#longest[state] ?? 0;
  }

  #child(state: number, byte: number): number {
    let child = this.#firstChild[state] ?? 0;
    while (child !== 0 && this.#byte[child] !== byte) child = this.#nextSibling[child] ?? 0;
    return child;
  }

  #add(pattern: Uint8Array): void {
    let state = 0;
    for (const byte of pattern) {
      const known = state === 0 ? (this.#start[byte] ?? 0) : this.#child(state, byte);
      state = known === 0 ? this.#addChild(state, byte) : known;
    }
    if (state !== 0) this.#longest[state] = pattern.length;
  }

  #addChild(parent: number, byte: number): number {
    const child = this.#states;
    this.#states += 1;
    this.#byte[child] = byte;
    this.#depth[child] = this.depth(parent) + 1;
    this.#nextSibling[child] = this.#firstChild[parent] ?? 0;
    this.#firstChild[parent] = child;
    if (parent === 0) this.#start[byte] = child;
    return child;
  }

  /** Breadth first: what a state falls back to is shorter, and so complete before it. */
  #link(): void {
    const queue = new Int32Array(this.#states);
    let end = 1;
    for (let index = 0; index < end; index += 1) {
      const parent = queue[index] ?? 0;
      let child = this.#firstChild[parent] ?? 0;
      while (child !== 0) {
        this.#linkChild(parent, child);
        queue[end] = child;
        end += 1;
        child = this.#nextSibling[child] ?? 0;
      }
    }
  }

  #linkChild(parent: number, child: number): void {
    if (parent === 0) return;
    const fallback = this.after(this.#fallback[parent] ?? 0, this.#byte[child] ?? 0);
    this.#fallback[child] = fallback;
    this.#longest[child] = Math.max(this.longest(child), this.longest(fallback));
  }
}

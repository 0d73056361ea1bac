/**
 * Regular expressions that are matched in a time that grows with the text and not with what somebody chose
 * to put into it: no text makes them slow, which those of JavaScript cannot promise.
 *
 * They match a whole text. There are characters, `.` (any), classes `[a-z_]` and `[^/]`, `\d \w \s` and
 * their opposites, `\` before any other sign, groups `( )`, `|`, and `* + ? {n} {n,} {n,m}`. There are no
 * anchors, no references and no looking around.
 */
export class Expression {
  readonly source: string;
  readonly #states: readonly State[];
  readonly #start: number;

  /** Throws an ExpressionError. */
  constructor(source: string) {
    this.source = source;
    const program = new Assembly();
    this.#start = program.add(new Parser(source).parse(), ACCEPTING);
    this.#states = program.states;
  }

  matches(text: string): boolean {
    let current = this.#reached([this.#start]);
    for (const character of text) {
      const next: number[] = [];
      for (const id of current) {
        const state = this.#states[id];
        if (state?.kind === "one" && state.takes(character)) next.push(state.next);
      }
      if (next.length === 0) return false;
      current = this.#reached(next);
    }
    return current.has(ACCEPTING);
  }

  /** These states and all that are reached from them without a character. */
  #reached(from: number[]): ReadonlySet<number> {
    const found = new Set<number>();
    for (let id = from.pop(); id !== undefined; id = from.pop()) {
      if (found.has(id)) continue;
      found.add(id);
      const state = this.#states[id];
      if (state?.kind === "fork") from.push(...state.nexts);
    }
    return found;
  }
}

export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
}

type Taking = (character: string) => boolean;

type Node =
  | { readonly kind: "one"; readonly takes: Taking }
  | { readonly kind: "sequence"; readonly parts: readonly Node[] }
  | { readonly kind: "either"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly min: number; readonly max: number };

type State =
  | { readonly kind: "one"; readonly takes: Taking; readonly next: number }
  | { readonly kind: "fork"; readonly nexts: readonly number[] };

/** The number of no state: the text is matched. */
const ACCEPTING = -1;
/** A text costs so much for each of its characters at most. */
const MAX_STATES = 1_000;
const MAX_REPEAT = 255;
const MAX_NESTING = 50;

/** An automaton in the making, from its end to its beginning. */
class Assembly {
  readonly states: State[] = [];

  /** Adds what matches the node and goes on with a state; where that begins. */
  add(node: Node, next: number): number {
    switch (node.kind) {
      case "one":
        return this.#push({ kind: "one", takes: node.takes, next });
      case "sequence":
        return node.parts.reduceRight((after, part) => this.add(part, after), next);
      case "either":
        return this.#push({ kind: "fork", nexts: node.parts.map((part) => this.add(part, next)) });
      case "repeat":
        return this.#repeat(node, next);
      default:
        return node satisfies never;
    }
  }

  #repeat({ part, min, max }: Extract<Node, { kind: "repeat" }>, next: number): number {
    let start = max === Number.POSITIVE_INFINITY ? this.#loop(part, next) : next;
    const optional = max === Number.POSITIVE_INFINITY ? 0 : max - min;
    for (let count = 0; count < optional; count += 1) {
      start = this.#push({ kind: "fork", nexts: [this.add(part, start), next] });
    }
    for (let count = 0; count < min; count += 1) start = this.add(part, start);
    return start;
  }

  #loop(part: Node, next: number): number {
    const nexts = [next];
    const loop = this.#push({ kind: "fork", nexts });
    nexts.push(this.add(part, loop));
    return loop;
  }

  #push(state: State): number {
    if (this.states.length >= MAX_STATES) throw new ExpressionError("it is too large");
    return this.states.push(state) - 1;
  }
}

class Parser {
  readonly #characters: readonly string[];
  #position = 0;
  #nesting = 0;

  constructor(source: string) {
    this.#characters = Array.from(source);
  }

  parse(): Node {
    const node = this.#either();
    if (this.#peek() !== undefined) this.#fail("a ) without its (");
    return node;
  }

  #either(): Node {
    const parts = [this.#sequence()];
    while (this.#takeIf("|")) parts.push(this.#sequence());
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { kind: "either", parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (let next = this.#peek(); next !== undefined && !"|)".includes(next); next = this.#peek()) {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: "sequence", parts };
  }

  #repeated(part: Node): Node {
    const range = this.#range();
    if (range === undefined) return part;
    if (this.#peek() !== undefined && "*+?{".includes(this.#peek() ?? "")) {
      this.#fail("a repetition of a repetition: put the inner one in ( )");
    }
    return { kind: "repeat", part, ...range };
  }

  #range(): { readonly min: number; readonly max: number } | undefined {
    if (this.#takeIf("*")) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.#takeIf("+")) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.#takeIf("?")) return { min: 0, max: 1 };
    if (!this.#takeIf("{")) return undefined;
    const min = this.#number();
    const max = this.#takeIf(",") ? this.#upperLimit() : min;
    if (!this.#takeIf("}")) this.#fail("a { that is no {n}, {n,} or {n,m}");
    if (max < min) this.#fail("a {n,m} with an m below n");
    return { min, max };
  }

  #upperLimit(): number {
    return this.#peek() === "}" ? Number.POSITIVE_INFINITY : this.#number();
  }

  #number(): number {
    let digits = "";
    while (/^\d$/.test(this.#peek() ?? "")) digits += this.#take();
    if (digits === "") this.#fail("a { that is no {n}, {n,} or {n,m}");
    const number = Number(digits);
    if (number > MAX_REPEAT) this.#fail(`a repetition of more than ${MAX_REPEAT}`);
    return number;
  }

  #atom(): Node {
    const character = this.#take();
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "one", takes: this.#class() };
      case ".":
        return { kind: "one", takes: () => true };
      case "\\":
        return { kind: "one", takes: this.#escaped() };
      case "*":
      case "+":
      case "?":
      case "{":
        return this.#fail(`a ${character} with nothing before it to repeat`);
      case "^":
      case "$":
        return this.#fail(`a ${character}: an expression matches the whole text anyway`);
      default:
        return { kind: "one", takes: (given) => given === character };
    }
  }

  #group(): Node {
    this.#nesting += 1;
    if (this.#nesting > MAX_NESTING) this.#fail("too many ( in each other");
    if (this.#peek() === "?") this.#fail("a (?: a group is just ( )");
    const node = this.#either();
    if (!this.#takeIf(")")) this.#fail("a ( without its )");
    this.#nesting -= 1;
    return node;
  }

  #escaped(): Taking {
    const character = this.#take("a \\ at the end");
    const set = SETS.get(character);
    if (set !== undefined) return set;
    if (/^[A-Za-z0-9]$/.test(character)) this.#fail(`a \\${character}, which means nothing here`);
    return (given) => given === character;
  }

  #class(): Taking {
    const isNegated = this.#takeIf("^");
    const members: Taking[] = [];
    do members.push(this.#member());
    while (!this.#takeIf("]"));
    return (given) => members.some((takes) => takes(given)) !== isNegated;
  }

  #member(): Taking {
    const first = this.#bound();
    if (typeof first === "function") return first;
    if (this.#peek() !== "-" || this.#peek(1) === "]") return (given) => given === first;
    this.#take();
    const last = this.#bound();
    if (typeof last === "function" || codeOf(last) < codeOf(first)) {
      return this.#fail("a range in [ ] that has no order");
    }
    return (given) => codeOf(given) >= codeOf(first) && codeOf(given) <= codeOf(last);
  }

  #bound(): string | Taking {
    const character = this.#take("a [ without its ]");
    if (character !== "\\") return character;
    const escaped = this.#peek() ?? "";
    const takes = this.#escaped();
    return SETS.has(escaped) ? takes : escaped;
  }

  #peek(ahead = 0): string | undefined {
    return this.#characters[this.#position + ahead];
  }

  #take(otherwise = "it ends too early"): string {
    const character = this.#peek();
    if (character === undefined) return this.#fail(otherwise);
    this.#position += 1;
    return character;
  }

  #takeIf(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#position += 1;
    return true;
  }

  #fail(what: string): never {
    throw new ExpressionError(`${what} (at ${this.#position + 1})`);
  }
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

const SETS: ReadonlyMap<string, Taking> = new Map(
  Object.entries({ d: /^\d$/u, w: /^\w$/u, s: /^\s$/u, D: /^\D$/u, W: /^\W$/u, S: /^\S$/u }).map(
    ([name, set]) => [name, (character: string) => set.test(character)],
  ),
);

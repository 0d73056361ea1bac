import { didYouMean } from "./nearest.ts";
import { namesOf, type Given, type OptionTable, type Program, type Source } from "./program.ts";

/** Other ways to write a flag. */
export type Shorthands = Pick<Program, "positional" | "letters">;

interface Meaning {
  readonly key: string;
  readonly takesValue: boolean;
  /** What it stands for without a value. */
  readonly implied: string | undefined;
}

/** Reads `--name value`, `--name=value`, `--name` and `--no-name`; `-n value` and a bare word where they stand for one. */
export function readFlags(
  argv: readonly string[],
  options: OptionTable,
  { positional, letters = {} }: Shorthands = {},
): Source {
  const meanings = meaningsOf(options, letters);
  const given = new Map<string, Given>();
  const problems: string[] = [];
  for (const { name, value } of wordsOf(argv, meanings)) {
    const meaning = meanings.get(name);
    if (meaning === undefined && positional !== undefined && isBare(name)) {
      if (given.has(positional)) problems.push(`${JSON.stringify(name)}: unexpected argument`);
      else given.set(positional, { origin: `the argument ${positional}`, value: name });
    } else if (meaning === undefined) problems.push(unknown(name, [...meanings.keys()]));
    else if (given.has(meaning.key)) problems.push(`${name}: given more than once`);
    else given.set(meaning.key, { origin: name, value: value ?? meaning.implied });
  }
  return { given, problems };
}

export function asksForHelp(argv: readonly string[]): boolean {
  return argv.includes("--help") || argv.includes("-h");
}

function isBare(word: string): boolean {
  return !word.startsWith("-");
}

function meaningsOf(
  options: OptionTable,
  letters: Readonly<Record<string, string>>,
): ReadonlyMap<string, Meaning> {
  const meanings = new Map<string, Meaning>();
  for (const [key, { kind }] of Object.entries(options)) {
    const { flag } = namesOf(key);
    meanings.set(flag, {
      key,
      takesValue: kind !== "boolean",
      implied: kind === "boolean" ? "true" : undefined,
    });
    if (kind === "boolean") {
      meanings.set(flag.replace("--", "--no-"), { key, takesValue: false, implied: "false" });
    }
  }
  for (const [letter, key] of Object.entries(letters)) {
    const meaning = meanings.get(namesOf(key).flag);
    if (meaning !== undefined) meanings.set(`-${letter}`, meaning);
  }
  return meanings;
}

interface Word {
  readonly name: string;
  readonly value: string | undefined;
}

/** What follows an unknown flag counts as its value: one mistake is enough to tell of. */
function wordsOf(argv: readonly string[], meanings: ReadonlyMap<string, Meaning>): readonly Word[] {
  const words: Word[] = [];
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [, before, after] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    const name = before ?? word;
    const takesValue = meanings.get(name)?.takesValue ?? name.startsWith("-");
    const separate = takesValue && after === undefined && isValue(rest[0]);
    words.push({ name, value: separate ? rest.shift() : after });
  }
  return words;
}

function isValue(word: string | undefined): word is string {
  return word !== undefined && !word.startsWith("--");
}

function unknown(name: string, flags: readonly string[]): string {
  if (isBare(name)) return `${JSON.stringify(name)}: unexpected argument`;
  return `${name}: unknown flag${didYouMean(name, flags)}`;
}

import type { Option } from "./option.ts";
import { COMMON_OPTIONS, namesOf, type Program } from "./program.ts";

const WIDTH = 100;
const GAP = 2;
const PRECEDENCE =
  "Every option can also be given in the environment, or in the configuration file under its name in " +
  "camelCase. A flag wins over the environment, that over the file, that over the default.";

interface Row {
  readonly left: string;
  /** Paragraphs. */
  readonly right: readonly string[];
}

/** What `--help` prints: usage, options in two aligned columns, where else options come from, examples. */
export function helpText(program: Program): string {
  const options = Object.entries({ ...program.options, ...COMMON_OPTIONS });
  const rows = [
    ...options.map(([key, option]) => optionRow(key, option, letterOf(program, key))),
    { left: "--help", right: ["Print this and exit."] },
  ];
  const examples = program.examples.map(({ what, command }) => `  # ${what}\n  ${command}`);
  const sections = [
    `Usage: ${usage(program)}`,
    wrapped(program.summary, WIDTH).join("\n"),
    `Options:\n${table(rows)}`,
    wrapped(PRECEDENCE, WIDTH).join("\n"),
    `Examples:\n${examples.join("\n\n")}`,
  ];
  return `${sections.join("\n\n")}\n`;
}

function usage(program: Program): string {
  const required = Object.entries(program.options)
    .filter(([, option]) => isRequired(option))
    .map(([key, option]) =>
      key === program.positional ? `<${option.placeholder}>` : signature(key, option),
    );
  return [program.command, ...required, "[options]"].join(" ");
}

function isRequired(option: Option<unknown>): boolean {
  return !option.isOptional && option.default === undefined;
}

function signature(key: string, { kind, placeholder }: Option<unknown>): string {
  const { flag } = namesOf(key);
  return kind === "boolean" ? flag.replace("--", "--[no-]") : `${flag} <${placeholder}>`;
}

function letterOf({ letters = {} }: Program, key: string): string | undefined {
  return Object.keys(letters).find((letter) => letters[letter] === key);
}

function optionRow(key: string, option: Option<unknown>, letter: string | undefined): Row {
  const notes = [
    ...(isRequired(option) ? ["required"] : []),
    ...(option.default === undefined ? [] : [`default: ${option.default}`]),
    `env: ${namesOf(key).env}`,
  ];
  const right = [option.description, notes.map((note) => `[${note}]`).join(" ")];
  const short = letter === undefined ? "" : `-${letter}, `;
  return { left: `${short}${signature(key, option)}`, right };
}

function table(rows: readonly Row[]): string {
  const column = 2 + Math.max(...rows.map(({ left }) => left.length)) + GAP;
  return rows
    .map(({ left, right }) => {
      const lines = right.flatMap((paragraph) => wrapped(paragraph, WIDTH - column));
      return `  ${left}`.padEnd(column) + lines.join(`\n${" ".repeat(column)}`);
    })
    .join("\n");
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

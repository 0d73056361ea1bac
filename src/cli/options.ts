import { asksForHelp, readFlags } from "./flags.ts";
import { readEnvironment, type Environment } from "./environment.ts";
import { helpText } from "./help.ts";
import type { Option } from "./option.ts";
import {
  COMMON_OPTIONS,
  namesOf,
  type Compiled,
  type Given,
  type OptionTable,
  type Program,
  type Source,
} from "./program.ts";
import { readYamlFile, type ReadFile } from "./yaml-file.ts";

export type ParsedOptions<O extends OptionTable> =
  | {
      readonly kind: "options";
      readonly options: Compiled<O>;
      /** The options for the start-up log: without secrets. */
      readonly printable: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: "help"; readonly text: string }
  /** All that is wrong, a line each. */
  | { readonly kind: "error"; readonly text: string };

/**
 * The options of a program, from its arguments (without the program's name), the environment and the
 * file that `--config` names: a flag wins over the environment, that over the file, that over the default.
 * What is overridden is not looked at; what is unknown anywhere is refused. Pure but for `readFile`.
 */
export function parseOptions<O extends OptionTable>(
  program: Program<O>,
  argv: readonly string[],
  env: Environment,
  readFile: ReadFile,
): ParsedOptions<O> {
  if (asksForHelp(argv)) return { kind: "help", text: helpText(program) };
  const sources = readSources(program, argv, env, readFile);
  const valueIn = ([key, option]: [string, Option<unknown>]): Value =>
    valueOf(key, option, firstGiven(key, sources));
  const values = Object.entries(program.options).map(valueIn);
  const common = Object.entries(COMMON_OPTIONS).map(valueIn);
  const problems = [
    ...sources.flatMap((source) => source.problems),
    ...[...values, ...common].flatMap((value) => (value.kind === "problem" ? [value.text] : [])),
  ];
  if (problems.length > 0) return { kind: "error", text: errorText(program, problems) };
  const compiled = values.filter((value) => value.kind === "value");
  const options = Object.fromEntries(compiled.map(({ name, value }) => [name, value]));
  return {
    kind: "options",
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each entry comes from its own option's compile
    options: Object.freeze(options) as Compiled<O>,
    printable: Object.fromEntries(compiled.map(({ name, printable }) => [name, printable])),
  };
}

/** In the order of precedence. */
function readSources(
  { options, ...shorthands }: Program,
  argv: readonly string[],
  env: Environment,
  readFile: ReadFile,
): readonly Source[] {
  const all = { ...options, ...COMMON_OPTIONS };
  const sources = [readFlags(argv, all, shorthands), readEnvironment(env, all)];
  const path = firstGiven("config", sources)?.value;
  return typeof path === "string" && path !== ""
    ? [...sources, readYamlFile(path, options, readFile)]
    : sources;
}

function firstGiven(key: string, sources: readonly Source[]): Given | undefined {
  return sources.map(({ given }) => given.get(key)).find((given) => given !== undefined);
}

type Value =
  | {
      readonly kind: "value";
      readonly name: string;
      readonly value: unknown;
      readonly printable: unknown;
    }
  | { readonly kind: "problem"; readonly text: string };

function valueOf(key: string, option: Option<unknown>, given: Given | undefined): Value {
  const name = option.kind === "duration" ? `${key}Ms` : key;
  const raw = given === undefined ? option.default : given.value;
  if (raw === undefined && given === undefined) {
    if (option.isOptional) return { kind: "value", name, value: undefined, printable: undefined };
    const { flag, env } = namesOf(key);
    return {
      kind: "problem",
      text: `${flag} is required (or ${env}, or ${key} in a --config file)`,
    };
  }
  if (raw === undefined && given !== undefined) {
    return { kind: "problem", text: `${given.origin}: the value is missing` };
  }
  const compiled = option.compile(raw);
  if (compiled === undefined) return { kind: "problem", text: refusal(option, given, raw) };
  return { kind: "value", name, ...compiled };
}

function refusal(option: Option<unknown>, given: Given | undefined, raw: unknown): string {
  const shown = JSON.stringify(raw);
  const redacted = option.redact === undefined ? shown : option.redact(shown);
  return `${given?.origin ?? "default"}: got ${redacted}, expected ${option.expected}${hint(option, raw)}`;
}

function hint(option: Option<unknown>, raw: unknown): string {
  if (typeof raw === "string") return option.hint?.(raw) ?? "";
  return option.kind === "text" ? "; quotes make it text" : "";
}

function errorText(program: Program, problems: readonly string[]): string {
  const lines = problems.map((problem) => `  ${problem}`).join("\n");
  return `${program.command}: cannot start\n${lines}\nSee ${program.command} --help\n`;
}

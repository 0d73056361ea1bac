import { optional, text, type Option } from "./option.ts";

/** What a program takes on its command line, in its environment and in its configuration file. */
export interface Program<O extends OptionTable = OptionTable> {
  /** As it is called: `steward agent`. */
  readonly command: string;
  /** One paragraph on what it does. */
  readonly summary: string;
  /** By name in camelCase, in the order of the help. `config` and `help` are taken. */
  readonly options: O;
  /** The option that a word without a flag stands for: `steward enroll ship1`. */
  readonly positional?: string;
  /** Options by their letter: `n` for `-n`. */
  readonly letters?: Readonly<Record<string, string>>;
  readonly examples: readonly Example[];
}

export interface Example {
  readonly what: string;
  readonly command: string;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The values of a program's options; a duration `interval` is `intervalMs`, in milliseconds. */
export type Compiled<O extends OptionTable> = {
  readonly [K in keyof O & string as CompiledName<K, O[K]["kind"]>]: ValueOf<O[K]>;
};
type CompiledName<K extends string, Kind> = Kind extends "duration" ? `${K}Ms` : K;
type ValueOf<O> = O extends Option<infer T> ? T : never;

/** The names of an option in the places that it can come from. */
export interface OptionNames {
  readonly flag: string;
  readonly env: string;
}

export function namesOf(key: string): OptionNames {
  const words = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return { flag: `--${words}`, env: ENV_PREFIX + words.replaceAll("-", "_").toUpperCase() };
}

export const ENV_PREFIX = "STEWARD_";
/** The options that every program has. */
export const COMMON_OPTIONS = {
  config: optional(
    text({ description: "A YAML file with options.", placeholder: "file", expected: "a path" }),
  ),
} as const;

/** A value as it was given, and where. */
export interface Given {
  /** For errors: `--node`, `STEWARD_NODE` or `node in /etc/steward/agent.yaml`. */
  readonly origin: string;
  /** Undefined for a flag whose value is missing. */
  readonly value: unknown;
}

/** What one place gave, by the option's name, and what was wrong there. */
export interface Source {
  readonly given: ReadonlyMap<string, Given>;
  readonly problems: readonly string[];
}

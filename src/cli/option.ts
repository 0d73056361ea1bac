import { z } from "zod";
import { DURATION_PATTERN, formatDuration, parseDuration } from "../runtime/duration.ts";

export type OptionKind = "text" | "boolean" | "duration" | "list";

/** One option of a program: where its value comes from is not its business. */
export interface Option<T, Kind extends OptionKind = OptionKind> {
  readonly kind: Kind;
  /** A sentence for the help. */
  readonly description: string;
  /** Stands for the value in the help: `name` makes `--node <name>`. */
  readonly placeholder: string;
  /** Completes "expected …" in an error. */
  readonly expected: string;
  /** As it would be given to a flag. */
  readonly default?: string;
  readonly isOptional: boolean;
  /** What to try instead of a text that was refused, as the end of an error's sentence. */
  readonly hint?: (text: string) => string | undefined;
  /** Makes the text of a refused value fit to be shown; for options that may hold secrets. */
  readonly redact?: (text: string) => string;
  /** Checks a value: a string from a flag or the environment, anything from a file. Undefined refuses it. */
  readonly compile: (raw: unknown) => CompiledValue<T> | undefined;
}

export interface CompiledValue<T> {
  readonly value: T;
  /** Fit to be logged: without secrets. */
  readonly printable: unknown;
}

type Details<T> = Pick<Option<T>, "description" | "placeholder"> &
  Partial<Pick<Option<T>, "default" | "hint" | "redact">>;

type CheckedDetails<T> = Details<T> & Pick<Option<T>, "expected">;

/** Text that passes a test; any that is not empty unless told. */
export function text(
  details: CheckedDetails<string> & { readonly check?: (text: string) => boolean },
): Option<string, "text"> {
  const { check = () => true, ...rest } = details;
  const compile = compiler(z.string().min(1).refine(check));
  return { ...rest, kind: "text", compile, isOptional: false };
}

/** One of a few words. */
export function choice<const T extends string>(
  words: readonly T[],
  details: Details<T>,
): Option<T, "text"> {
  const expected = `one of ${words.join(", ")}`;
  return {
    ...details,
    kind: "text",
    expected,
    compile: compiler(z.enum(words)),
    isOptional: false,
  };
}

/** `--flag` or `--no-flag`; `true` or `false` in the environment and in a file. */
export function flag(
  details: Pick<Option<boolean>, "description"> & { readonly default: "true" | "false" },
): Option<boolean, "boolean"> {
  const words = z.enum(["true", "false"]).transform((word) => word === "true");
  return {
    ...details,
    kind: "boolean",
    placeholder: "",
    expected: "true or false",
    compile: compiler(z.union([z.boolean(), words])),
    isOptional: false,
  };
}

/** A flag of which it matters that it is not given: then it is undefined. */
export function optionalFlag(
  details: Pick<Option<boolean>, "description">,
): Option<boolean | undefined, "boolean"> {
  const { default: _, ...option } = flag({ ...details, default: "false" });
  return { ...option, isOptional: true };
}

/** A TCP port; 0 for any that is free. */
export function port(details: Omit<Details<number>, "placeholder">): Option<number, "text"> {
  const numeral = z
    .string()
    .regex(/^\d{1,5}$/)
    .transform(Number);
  const schema = z.union([z.number(), numeral]).pipe(z.int().min(0).max(65_535));
  return {
    ...details,
    kind: "text",
    placeholder: "port",
    expected: "a port from 0 (any that is free) to 65535",
    compile: compiler(schema),
    isOptional: false,
  };
}

export interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

/** A whole number of something, without a sign. */
export function integer(
  { min, max }: IntegerRange,
  details: Details<number>,
): Option<number, "text"> {
  const numeral = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number);
  const schema = z.union([z.number(), numeral]).pipe(z.int().min(min).max(max));
  return {
    ...details,
    kind: "text",
    expected: `a whole number from ${min} to ${max}`,
    compile: compiler(schema),
    isOptional: false,
  };
}

export interface DurationRange {
  readonly minMs: number;
  readonly maxMs: number;
}

/** A duration such as `30s`; compiles to milliseconds, under the option's name with `Ms` appended. */
export function duration(
  { minMs, maxMs }: DurationRange,
  details: Omit<Details<number>, "placeholder">,
): Option<number, "duration"> {
  const range = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  const milliseconds = z.string().regex(new RegExp(DURATION_PATTERN)).transform(parseDuration);
  return {
    ...details,
    kind: "duration",
    placeholder: "duration",
    expected: `a duration such as 90s, 5m or 1h30m, ${range}`,
    compile: compiler(milliseconds.pipe(z.number().min(minMs).max(maxMs))),
    isOptional: false,
  };
}

/** One or more texts that each pass a test: separated by commas, or a list in a file. */
export function list(
  details: CheckedDetails<readonly string[]> & {
    readonly check: (text: string) => boolean;
    /** Makes an item fit to be logged; all of it is unless told. */
    readonly sanitise?: (item: string) => string;
  },
): Option<readonly string[], "list"> {
  const { check, sanitise = String, ...rest } = details;
  const separated = z.string().transform((items) => items.split(",").map((item) => item.trim()));
  const schema = z
    .union([z.array(z.string()), separated])
    .pipe(z.array(z.string().refine(check)).min(1));
  const compile = compiler(schema, (items) => items.map(sanitise));
  return { ...rest, kind: "list", compile, isOptional: false };
}

/** The same option, which may be left out. */
export function optional<T, Kind extends OptionKind>(
  option: Option<T, Kind>,
): Option<T | undefined, Kind> {
  return { ...option, isOptional: true };
}

function compiler<T>(
  schema: z.ZodType<T>,
  printable: (value: T) => unknown = (value) => value,
): Option<T>["compile"] {
  return (raw) => {
    const { success, data } = schema.safeParse(raw);
    return success ? { value: data, printable: printable(data) } : undefined;
  };
}

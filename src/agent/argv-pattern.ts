import { posix } from "node:path";
import type { Expression } from "./expression.ts";

/** What one argument may be. All of it is matched; nothing is split, expanded or unquoted. */
export type ArgumentPattern =
  | { readonly kind: "any" }
  | { readonly kind: "oneOf"; readonly texts: readonly string[] }
  | { readonly kind: "pattern"; readonly expression: Expression }
  /** A whole number in its plain decimal form. */
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  /** An absolute path without `..` that is this folder or below it. Links are not followed. */
  | { readonly kind: "path"; readonly folder: string };

/** What all arguments may be. */
export interface ArgvPattern {
  /** By their position, and all of them there. */
  readonly leading: readonly ArgumentPattern[];
  /** Each of what follows those; undefined if nothing may. */
  readonly rest: ArgumentPattern | undefined;
}

/** Whether the arguments, each as a whole, are what the pattern has. Pure. */
export function matchesArgv({ leading, rest }: ArgvPattern, args: readonly string[]): boolean {
  if (args.length < leading.length) return false;
  return args.every((argument, index) => {
    const pattern = leading[index] ?? rest;
    return pattern !== undefined && matchesArgument(pattern, argument);
  });
}

function matchesArgument(pattern: ArgumentPattern, argument: string): boolean {
  switch (pattern.kind) {
    case "any":
      return true;
    case "oneOf":
      return pattern.texts.includes(argument);
    case "pattern":
      return pattern.expression.matches(argument);
    case "integer":
      return isIntegerIn(argument, pattern);
    case "path":
      return isPathIn(argument, pattern.folder);
    default:
      return pattern satisfies never;
  }
}

function isIntegerIn(argument: string, range: { readonly min: number; readonly max: number }) {
  if (!/^(0|-?[1-9][0-9]{0,14})$/.test(argument)) return false;
  const number = Number(argument);
  return number >= range.min && number <= range.max;
}

function isPathIn(argument: string, folder: string): boolean {
  if (!argument.startsWith("/") || argument.split("/").includes("..")) return false;
  const path = withoutFinalSlash(posix.normalize(argument));
  const prefix = withoutFinalSlash(posix.normalize(folder));
  return path === prefix || path.startsWith(`${prefix}/`);
}

function withoutFinalSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

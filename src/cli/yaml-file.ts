import { LineCounter, parseDocument } from "yaml";
import { errorMessage } from "../runtime/errors.ts";
import { didYouMean } from "./nearest.ts";
import type { Given, OptionTable, Source } from "./program.ts";

/** Reads a configuration file. Throws what the file system has to say. */
export type ReadFile = (path: string) => string;

/** Reads a YAML mapping with the names of options as keys. A key without a value counts as not set. */
export function readYamlFile(path: string, options: OptionTable, readFile: ReadFile): Source {
  const given = new Map<string, Given>();
  const parsed = parse(path, readFile);
  if (typeof parsed === "string") return { given, problems: [parsed] };
  const problems: string[] = [];
  for (const [key, value] of parsed) {
    const origin = `${String(key)} in ${path}`;
    if (typeof key !== "string" || !Object.hasOwn(options, key)) {
      problems.push(`${origin}: unknown key${didYouMean(String(key), Object.keys(options))}`);
    } else if (value !== null) given.set(key, { origin, value });
  }
  return { given, problems };
}

/** The entries of the file's mapping, or what is wrong with it. */
function parse(path: string, readFile: ReadFile): ReadonlyMap<unknown, unknown> | string {
  try {
    const lineCounter = new LineCounter();
    // The pretty form of an error quotes the file, which may hold a password.
    const document = parseDocument(readFile(path), { prettyErrors: false, lineCounter });
    const [error] = document.errors;
    if (error !== undefined) {
      const { line, col } = lineCounter.linePos(error.pos[0]);
      return `${path}:${line}:${col}: not YAML: ${error.message}`;
    }
    const content: unknown = document.toJS({ mapAsMap: true });
    if (content === null) return new Map();
    return content instanceof Map
      ? content
      : `${path}: expected a mapping of option names to values`;
  } catch (thrown) {
    return `${path}: cannot be read: ${errorMessage(thrown)}`;
  }
}

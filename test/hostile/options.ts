import { parseArgs } from "node:util";

export interface Options {
  /** In process and over the wire together. */
  readonly mutations: number;
  readonly seed: number;
}

export const USAGE = `npm run hostile -- [options]

  --mutations N    how many changed messages are tried, from 100 (20000)
  --seed S         a whole number; the same seed makes the same choices, of messages with new ids and keys (random, and printed)
`;

export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Undefined: help was asked for. Throws a UsageError. */
export function parseOptions(args: readonly string[], randomSeed: number): Options | undefined {
  const { values } = parse(args);
  if (values.help === true) return undefined;
  return {
    mutations: wholeNumber("--mutations", values.mutations ?? "20000", [100, 100_000_000]),
    seed: wholeNumber("--seed", values.seed ?? String(randomSeed), [0, 0xffff_ffff]),
  };
}

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- inferred from the table
function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        mutations: { type: "string" },
        seed: { type: "string" },
        help: { type: "boolean" },
      },
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function wholeNumber(option: string, text: string, [min, max]: readonly [number, number]): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw new UsageError(`${option} must be a whole number from ${min} to ${max}`);
}

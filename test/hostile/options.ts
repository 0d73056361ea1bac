import { parseArgs } from "node:util";

import { withUsageErrors, wholeNumber } from "../../dev/program.ts";

export interface Options {
  /** In process and over the wire together. */
  readonly mutations: number;
  readonly seed: number;
}

export const USAGE = `npm run hostile -- [options]

  --mutations N    how many changed messages are tried, from 100 (20000)
  --seed S         a whole number; the same seed makes the same choices, of messages with new ids and keys (random, and printed)
`;

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
  return withUsageErrors(() =>
    parseArgs({
      args: [...args],
      options: {
        mutations: { type: "string" },
        seed: { type: "string" },
        help: { type: "boolean" },
      },
    }),
  );
}

import { parseArgs } from "node:util";

import { UsageError, withUsageErrors, wholeNumber } from "../../dev/program.ts";
import { FAULTS } from "./catalogue.ts";

export interface Options {
  readonly seconds: number;
  readonly seed: number;
  /** A fault that this machine cannot have is an error. */
  readonly requireAll: boolean;
  /** The trace and the logs are kept also when all is well. */
  readonly keep: boolean;
  /** No faults: whether the harness itself is in order. */
  readonly calm: boolean;
  /** Only these kinds of faults, or all. */
  readonly only: readonly string[] | undefined;
}

export const USAGE = `npm run faults -- [options]

  --seconds N      how long faults are made, from 10 (60)
  --seed S         a whole number; the same seed makes the same faults (random, and printed)
  --only a,b       these kinds of faults only
  --calm           no faults at all
  --keep           keep trace and logs in any case, not only after a failure
  --require-all    fail if this machine cannot have some of the faults
`;

/** Undefined: help was asked for. Throws a UsageError. */
export function parseOptions(args: readonly string[], randomSeed: number): Options | undefined {
  const { values } = parse(args);
  if (values.help === true) return undefined;
  const only = values.only?.split(",");
  const unknown = only?.find((name) => !(FAULTS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--only: there is no ${unknown}; there are ${FAULTS.join(", ")}`);
  }
  return {
    seconds: wholeNumber("--seconds", values.seconds ?? "60", [10, 86_400]),
    seed: wholeNumber("--seed", values.seed ?? String(randomSeed), [0, 0xffff_ffff]),
    requireAll: values["require-all"] ?? false,
    keep: values.keep ?? false,
    calm: values.calm ?? false,
    only,
  };
}

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- inferred from the table
function parse(args: readonly string[]) {
  return withUsageErrors(() =>
    parseArgs({
      args: [...args],
      options: {
        seconds: { type: "string" },
        seed: { type: "string" },
        only: { type: "string" },
        calm: { type: "boolean" },
        keep: { type: "boolean" },
        "require-all": { type: "boolean" },
        help: { type: "boolean" },
      },
    }),
  );
}

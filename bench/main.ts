/** The command `npm run bench`: what Steward costs, in ratios to what would be there without it. */
import { interruption } from "../dev/interruption.ts";
import { exitStatusOf } from "../dev/program.ts";
import { identity } from "./identity.ts";
import { identityTable } from "./identity-table.ts";
import { parseOptions, USAGE, type BenchOptions } from "./options.ts";
import { recovery } from "./recovery.ts";
import { recoveryTable } from "./recovery-table.ts";
import { roundtrip, type RoundtripContext } from "./roundtrip.ts";
import { tableOf } from "./table.ts";

const stop = interruption();

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  process.stdout.write(await measured(options, { stop, progress: say }));
  return 0;
}

async function measured(options: BenchOptions, context: RoundtripContext): Promise<string> {
  const printed = <R>(report: R, table: (report: R) => string): string =>
    options.json ? `${JSON.stringify(report)}\n` : table(report);
  switch (options.benchmark) {
    case "roundtrip":
      return printed(await roundtrip(options, context), tableOf);
    case "recovery":
      return printed(await recovery(options, context), recoveryTable);
    case "identity":
      return printed(await identity(options, context), identityTable);
    default:
      return options.benchmark satisfies never;
  }
}

/** Progress goes to standard error: standard output has the figures alone. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

process.exitCode = await exitStatusOf(main, { usage: USAGE, say });

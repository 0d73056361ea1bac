/** The command `npm run bench`: what Steward costs, in ratios to what would be there without it. */
import { Interrupted, interruption } from "../dev/interruption.ts";
import { parseOptions, USAGE, UsageError } from "./options.ts";
import { recovery } from "./recovery.ts";
import { recoveryTable } from "./recovery-table.ts";
import { roundtrip } from "./roundtrip.ts";
import { tableOf } from "./table.ts";

async function main(): Promise<number> {
  const stop = interruption();
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === undefined) {
      process.stdout.write(USAGE);
      return 0;
    }
    const context = { stop, progress: say };
    if (options.benchmark === "recovery") {
      const report = await recovery(options, context);
      process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : recoveryTable(report));
    } else {
      const report = await roundtrip(options, context);
      process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : tableOf(report));
    }
    return 0;
  } catch (thrown) {
    if (thrown instanceof Interrupted) return thrown.exitCode;
    if (thrown instanceof UsageError) {
      say(`${thrown.message}\n\n${USAGE}`);
      return 2;
    }
    say(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown));
    return 1;
  }
}

/** Progress goes to standard error: standard output has the figures alone. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

process.exitCode = await main();

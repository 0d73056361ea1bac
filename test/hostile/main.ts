/**
 * The command `npm run hostile`: whoever may be hostile, tried against the real thing. A broker in the wrong hands, a
 * node in the wrong hands, credentials that are none, a tenant who wants more: nothing of that may get through.
 */
import { randomInt } from "node:crypto";

import { interruption } from "../../dev/interruption.ts";
import { exitStatusOf } from "../../dev/program.ts";
import { parseOptions, USAGE } from "./options.ts";
import { runHostile } from "./run.ts";
import { Tally } from "./tally.ts";

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const stop = interruption();

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), randomInt(0x1_0000_0000));
  if (options === undefined) {
    say(USAGE);
    return 0;
  }
  say(`seed ${options.seed}`);
  const tally = new Tally();
  try {
    await Promise.race([runHostile(options, { say, tally }), interrupted(stop.signal)]);
  } finally {
    for (const line of tally.lines()) say(line);
  }
  say(`${tally.tried} tried, ${tally.through} got through`);
  if (tally.through === 0) return 0;
  say(`again: npm run hostile -- --mutations ${options.mutations} --seed ${options.seed}`);
  return 1;
}

function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

process.exit(await exitStatusOf(main, { usage: USAGE, say }));

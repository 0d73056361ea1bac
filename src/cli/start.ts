import { readFileSync } from "node:fs";
import { createLogger, type LogLevel } from "../telemetry/logger.ts";
import type { Logger } from "../runtime/logger.ts";
import { parseOptions, type ParsedOptions } from "./options.ts";
import type { Compiled, OptionTable, Program } from "./program.ts";
import { VERSION } from "./version.ts";

/** What the exit status says: the arguments were wrong; the program failed. */
export const EXIT_USAGE = 2;
export const EXIT_FAILURE = 1;

export interface Start<O extends OptionTable> {
  readonly options: Compiled<O>;
  readonly logger: Logger;
}

/**
 * Reads the options of a program and says, in the log, what they are; or prints the help, or what is
 * wrong with them, and gives the exit status.
 */
export function start<O extends OptionTable>(
  program: Program<O>,
  argv: readonly string[],
  logLevelOf: (options: Compiled<O>) => LogLevel,
): Start<O> | number {
  const read = readOptions(program, argv);
  if (typeof read === "number") return read;
  const name = program.command.replace("steward ", "");
  const level = logLevelOf(read.options);
  const logger = createLogger({ level, name, version: VERSION });
  logger.info({ options: read.printable }, "starting");
  return { options: read.options, logger };
}

/** Reads the options of a program; or prints the help, or what is wrong with them, and gives the exit status. */
export function readOptions<O extends OptionTable>(
  program: Program<O>,
  argv: readonly string[],
): Extract<ParsedOptions<O>, { readonly kind: "options" }> | number {
  const parsed = parseOptions(program, argv, process.env, (path) => readFileSync(path, "utf8"));
  switch (parsed.kind) {
    case "help":
      process.stdout.write(parsed.text);
      return 0;
    case "error":
      process.stderr.write(parsed.text);
      return EXIT_USAGE;
    case "options":
      return parsed;
    default:
      return parsed satisfies never;
  }
}

/** Aborted by SIGTERM and SIGINT; a second one of them ends the process as it is. */
export function stopSignal(logger: Logger): AbortController {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(EXIT_FAILURE);
      logger.info({ signal: name }, "stopping");
      stop.abort();
    });
  }
  return stop;
}

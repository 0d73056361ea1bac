import { pino, stdTimeFunctions, type DestinationStream } from "pino";
import type { Logger } from "../runtime/logger.ts";
import { errorFields } from "./error-fields.ts";

/** From the most to the least. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** What is below it is not written. */
  readonly level: LogLevel;
  /** The program: `controller`, `agent`. */
  readonly name: string;
  readonly version?: string;
  /** Gets one line a call; standard output unless told. */
  readonly destination?: DestinationStream;
}

/**
 * Logs JSON, one object a line: `level` as a word, `time` in ISO 8601, `program`, `version`, the fields of
 * the call, `msg`; an error under `err` comes with its causes. Lines are written at once and in order: a
 * program that dies has said all that it had to say.
 */
export function createLogger(options: LoggerOptions): Logger {
  const settings = {
    level: options.level,
    timestamp: stdTimeFunctions.isoTime,
    // Not `name`, which is what a resource's name is logged under.
    base: {
      program: options.name,
      ...(options.version === undefined ? {} : { version: options.version }),
    },
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: (thrown: unknown) => errorFields(thrown) },
  };
  const { destination } = options;
  return destination === undefined ? pino(settings) : pino(settings, destination);
}

import { createTransport, type Transport } from "../kubernetes/transport.ts";
import { systemClock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Compiled, OptionTable, Program } from "./program.ts";
import { EXIT_FAILURE, EXIT_USAGE, readOptions } from "./start.ts";

/** Options that are each right and do not go together. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Runs a program that does one thing and ends; what went wrong is one line on standard error. Resolves to the exit
 * status.
 */
export async function runOneShot<O extends OptionTable>(
  program: Program<O>,
  argv: readonly string[],
  act: (options: Compiled<O>) => Promise<void>,
): Promise<number> {
  const read = readOptions(program, argv);
  if (typeof read === "number") return read;
  try {
    await act(read.options);
    return 0;
  } catch (thrown) {
    process.stderr.write(`${program.command}: ${errorMessage(thrown)}\n`);
    return thrown instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
  }
}

/** The Kubernetes API for such a program. */
export function openTransport(kubeconfig: string | undefined): Promise<Transport> {
  return createTransport({
    ...(kubeconfig === undefined ? {} : { kubeconfigPath: kubeconfig }),
    logger: personLogger,
    clock: systemClock,
    userAgent: "steward-cli",
  });
}

/** For the person at the terminal, whose standard output is for results. */
const personLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (_fields, message) => void process.stderr.write(`warning: ${message}\n`),
  error: (_fields, message) => void process.stderr.write(`error: ${message}\n`),
  child: () => personLogger,
};

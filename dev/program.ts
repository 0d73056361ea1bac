import { Interrupted } from "./interruption.ts";

/** The arguments of a program are wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What `parse` gives; what it throws is a UsageError. */
export function withUsageErrors<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Throws a UsageError. */
export function wholeNumber(
  option: string,
  text: string,
  [min, max]: readonly [number, number],
): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw new UsageError(`${option} must be a whole number from ${min} to ${max}`);
}

/** The exit status of a program: what its work comes to, or what made it end. Never rejects. */
export async function exitStatusOf(
  work: () => Promise<number>,
  { usage, say }: { readonly usage: string; readonly say: (line: string) => void },
): Promise<number> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof Interrupted) return thrown.exitCode;
    if (thrown instanceof UsageError) {
      say(`${thrown.message}\n\n${usage}`);
      return 2;
    }
    say(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown));
    return 1;
  }
}

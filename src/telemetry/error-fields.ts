/** What a log line says of something thrown. */
export interface ErrorFields {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: ErrorFields;
  /** Of an AggregateError. */
  readonly errors?: readonly ErrorFields[];
}

const MAX_DEPTH = 5;
const MAX_ERRORS = 10;

/**
 * The fields of anything thrown, with its causes to a depth of 5. Only these: what else hangs on an error
 * of an HTTP client, say the request with its token, does not belong into a log.
 */
export function errorFields(thrown: unknown, depth = 0): ErrorFields {
  if (!(thrown instanceof Error)) return { type: typeof thrown, message: textOf(thrown) };
  const fields = {
    type: thrown.name,
    message: thrown.message,
    ...("code" in thrown && typeof thrown.code === "string" ? { code: thrown.code } : {}),
    ...(thrown.stack === undefined ? {} : { stack: thrown.stack }),
  };
  return depth >= MAX_DEPTH ? fields : { ...fields, ...insideOf(thrown, depth + 1) };
}

function insideOf(thrown: Error, depth: number): Pick<ErrorFields, "cause" | "errors"> {
  return {
    ...(thrown.cause === undefined ? {} : { cause: errorFields(thrown.cause, depth) }),
    ...(thrown instanceof AggregateError
      ? { errors: thrown.errors.slice(0, MAX_ERRORS).map((one) => errorFields(one, depth)) }
      : {}),
  };
}

function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "something that has no text";
  }
}

/** Causes beyond this depth are left out: an error may, through others, be its own cause. */
const MAX_DEPTH = 8;

/** The text of anything thrown, with the causes it wraps: `outer: inner: root`. Never throws. */
export function errorMessage(thrown: unknown): string {
  return messageOf(thrown, 0);
}

function messageOf(thrown: unknown, depth: number): string {
  if (!(thrown instanceof Error)) return textOf(thrown);
  const own = textOf(thrown.message) || messageOfParts(thrown, depth);
  const cause =
    thrown.cause === undefined || depth >= MAX_DEPTH ? "" : messageOf(thrown.cause, depth + 1);
  if (cause === "" || own.includes(cause)) return own;
  return own === "" ? cause : `${own}: ${cause}`;
}

/** What Node throws when no address of a host answers is an AggregateError with an empty message. */
function messageOfParts(thrown: Error, depth: number): string {
  if (!(thrown instanceof AggregateError) || depth >= MAX_DEPTH) return "";
  return thrown.errors.map((part) => messageOf(part, depth + 1)).join("; ");
}

function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "something that has no text";
  }
}

/** The code of an error of the system's (`ENOENT`); undefined of anything that has none. */
export function systemErrorCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
}

/** True for what an aborted signal makes of a call in progress. */
export function isAbortError(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "AbortError";
}

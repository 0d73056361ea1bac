import type { Logger } from "./logger.ts";

/** So many different notices are told apart; the others share one count. */
const MAX_KINDS = 256;

/**
 * Logs the first of each kind of notice and counts the rest, so that a peer that keeps sending rubbish
 * fills neither the log nor the memory.
 */
export class NoticeLog {
  readonly #logger: Logger;
  readonly #counts = new Map<string, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Warns if this is the first notice about `subject` for `reason`. Returns how many there were. */
  note(subject: string, reason: string, message: string): number {
    const own = `${reason} ${subject}`;
    const kind = this.#counts.has(own) || this.#counts.size < MAX_KINDS ? own : "others";
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count === 1) this.#logger.warn({ subject, reason }, message);
    return count;
  }
}

import type { CommandRecorder } from "./ports.ts";
import type { Logger } from "../runtime/logger.ts";

/** How many different faults are remembered; more are counted as one. */
const LIMIT = 1_000;

/**
 * Malformed messages: each subject and reason is logged once, and counted. What a broken or hostile sender
 * can make us write is bounded.
 */
export class Rejections {
  readonly #logger: Logger;
  readonly #recorder: Pick<CommandRecorder, "rejected"> | undefined;
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor(logger: Logger, recorder?: Pick<CommandRecorder, "rejected">) {
    this.#logger = logger;
    this.#recorder = recorder;
  }

  note(subject: string, reason: string): void {
    this.#total += 1;
    this.#recorder?.rejected(subject);
    const key = `${subject} ${reason}`;
    const count = this.#counts.get(key);
    if (count === undefined && this.#counts.size >= LIMIT) return;
    this.#counts.set(key, (count ?? 0) + 1);
    if (count !== undefined) return;
    this.#logger.warn({ subject, reason, rejected: this.#total }, "malformed message rejected");
  }
}

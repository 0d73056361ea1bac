import type { Clock } from "../runtime/clock.ts";
import { formatDuration } from "../runtime/duration.ts";
import type { Logger } from "../runtime/logger.ts";

const FIRST_DISTANCE_MS = 10_000;
const LONGEST_DISTANCE_MS = 3_600_000;

/**
 * Logs that a broker is lost, stays away, and is back. What stays away is logged at a distance that
 * doubles from 10 s to an hour; a new reason at once, though not within 10 s of the last line.
 */
export class OutageLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #since: number | undefined;
  #attempts = 0;
  #loggedAt = -Infinity;
  #loggedReason = "";
  #distanceMs = FIRST_DISTANCE_MS;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  connected(server: string): void {
    const away = this.#since === undefined ? {} : { away: this.#away(), attempts: this.#attempts };
    this.#logger.info({ server, ...away }, "connected to the broker");
    this.#since = undefined;
  }

  disconnected(server: string, reason: string): void {
    this.#begin();
    this.#logger.warn({ server, reason }, "disconnected from the broker, reconnecting");
  }

  /** One round of attempts failed at every server; the reason names them. */
  attemptFailed(reason: string): void {
    if (this.#since === undefined) this.#begin();
    this.#attempts += 1;
    const quietMs = this.#clock.monotonic() - this.#loggedAt;
    const news = reason !== this.#loggedReason && quietMs >= FIRST_DISTANCE_MS;
    if (!news && quietMs < this.#distanceMs) return;
    if (this.#loggedAt !== -Infinity) {
      this.#distanceMs = Math.min(LONGEST_DISTANCE_MS, this.#distanceMs * 2);
    }
    this.#loggedAt = this.#clock.monotonic();
    this.#loggedReason = reason;
    const fields = { reason, away: this.#away(), attempts: this.#attempts };
    this.#logger.warn(fields, "cannot connect to the broker, retrying");
  }

  #begin(): void {
    this.#since = this.#clock.monotonic();
    this.#attempts = 0;
    this.#loggedAt = -Infinity;
    this.#loggedReason = "";
    this.#distanceMs = FIRST_DISTANCE_MS;
  }

  #away(): string {
    return formatDuration(this.#clock.monotonic() - (this.#since ?? this.#clock.monotonic()));
  }
}

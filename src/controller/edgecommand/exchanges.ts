import { NEW_EXCHANGE, type Exchange } from "./observe.ts";

/** Which state of a resource an exchange is about: another uid or generation starts a new one. */
export interface ExchangeSubject {
  readonly uid: string;
  readonly generation: number;
}

/** What this process knows of its talks with nodes, by the key of the resource. */
export class Exchanges {
  readonly #entries = new Map<string, { readonly subject: ExchangeSubject; exchange: Exchange }>();

  get(key: string, subject: ExchangeSubject): Exchange {
    const entry = this.#entries.get(key);
    return entry !== undefined && isSame(entry.subject, subject) ? entry.exchange : NEW_EXCHANGE;
  }

  /** Changes what is known, unless the exchange is about another state of the resource by now. */
  update(key: string, subject: ExchangeSubject, change: Partial<Exchange>): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || !isSame(entry.subject, subject)) return;
    entry.exchange = { ...entry.exchange, ...change };
  }

  /** Makes the entry for this state of the resource if there is none; an older one is forgotten. */
  begin(key: string, subject: ExchangeSubject, change: Partial<Exchange>): void {
    const exchange = { ...this.get(key, subject), ...change };
    this.#entries.set(key, { subject, exchange });
  }

  /**
   * Makes an offer due now, whatever the back-off says: there is reason to believe that it arrives, or
   * that what the node told last is no longer so.
   */
  hurry(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const { exchange } = entry;
    // What is asked anew has to last anew; of what is on its way the time counts on.
    const firstTryAt = exchange.inFlight ? exchange.firstTryAt : undefined;
    entry.exchange = { ...exchange, firstTryAt, dueAt: 0, confirmed: false, isStale: true };
  }

  /** The state of the run that the node last told of. */
  stateOf(key: string): string | undefined {
    return this.#entries.get(key)?.exchange.report?.state;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}

function isSame(a: ExchangeSubject, b: ExchangeSubject): boolean {
  return a.uid === b.uid && a.generation === b.generation;
}

/** Something that is to be done in its turn. */
export interface Job {
  /** Jobs of one row go one after the other, in the order in which they came. */
  readonly row: string;
  /** Whether it counts towards the limit. */
  readonly takesSlot: boolean;
  /** Does it. Resolves when it is over, however it ended. */
  readonly perform: () => Promise<void>;
}

/**
 * Has at most `limit` jobs done at once; the others wait, in the order in which they came. One that waits
 * for another of its row keeps nobody else waiting.
 */
export class RunQueue {
  readonly #limit: number;
  readonly #waiting: Job[] = [];
  readonly #busyRows = new Set<string>();
  #slotsTaken = 0;
  #isStopped = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(job: Job): void {
    this.#waiting.push(job);
    this.#beginWhatMay();
  }

  /** Has a job done at once, as one that is under way already: it counts, also beyond the limit. */
  resume(job: Job): void {
    this.#begin(job);
  }

  /** What waits goes on waiting. */
  stop(): void {
    this.#isStopped = true;
  }

  #beginWhatMay(): void {
    while (!this.#isStopped) {
      const next = this.#nextThatMay();
      if (next === undefined) return;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.#begin(next);
    }
  }

  #nextThatMay(): Job | undefined {
    const passedOver = new Set<string>();
    return this.#waiting.find(({ row, takesSlot }) => {
      const isItsTurn = !this.#busyRows.has(row) && !passedOver.has(row);
      passedOver.add(row);
      return isItsTurn && (!takesSlot || this.#slotsTaken < this.#limit);
    });
  }

  #begin({ row, takesSlot, perform }: Job): void {
    this.#busyRows.add(row);
    if (takesSlot) this.#slotsTaken += 1;
    void perform().finally(() => {
      this.#busyRows.delete(row);
      if (takesSlot) this.#slotsTaken -= 1;
      this.#beginWhatMay();
    });
  }
}

interface Row {
  tried: number;
  readonly through: string[];
}

/** So many failures of one kind tell enough. */
const SHOWN = 5;

/** What was tried, and what of it got through. */
export class Tally {
  readonly #rows = new Map<string, Row>();

  /** `breach`: what happened that must not happen; undefined if nothing did. */
  add(attack: string, breach?: string): void {
    const row = this.#row(attack);
    row.tried += 1;
    if (breach !== undefined) row.through.push(breach);
  }

  /** As `add`, for an attack of many parts that is judged as a whole. */
  addMany(attack: string, tried: number, breaches: readonly string[] = []): void {
    const row = this.#row(attack);
    row.tried += tried;
    row.through.push(...breaches);
  }

  get tried(): number {
    return [...this.#rows.values()].reduce((sum, { tried }) => sum + tried, 0);
  }

  get through(): number {
    return [...this.#rows.values()].reduce((sum, { through }) => sum + through.length, 0);
  }

  lines(): string[] {
    const width = Math.max(...[...this.#rows.keys()].map((attack) => attack.length));
    return [...this.#rows].flatMap(([attack, { tried, through }]) => [
      `${attack.padEnd(width)}  ${String(tried).padStart(8)} tried  ${String(through.length).padStart(4)} through`,
      ...through.slice(0, SHOWN).map((breach) => `  THROUGH ${breach}`),
    ]);
  }

  #row(attack: string): Row {
    const row = this.#rows.get(attack) ?? { tried: 0, through: [] };
    this.#rows.set(attack, row);
    return row;
  }
}

/** Ids in the form of uuids, the same ones in every run of a sequence. */
export class Ids {
  #last = 0;

  readonly next = (): string => {
    this.#last += 1;
    return `${this.#last.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;
  };
}

/** What is left of an id of `Ids` that a person needs. */
export function shortID(id: string): string {
  return id.slice(0, 8).replace(/^0+/, "#");
}

/** Prints a text again whenever it changes: in place on a terminal, one below the other elsewhere. */
export class LiveTable {
  readonly #out: NodeJS.WriteStream;
  #shown = "";

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(text: string): void {
    // Ages move all the time: on their own they are no news for a log.
    if (text === this.#shown || (!this.#out.isTTY && sameButAges(text, this.#shown))) return;
    const lines = this.#shown.split("\n").length - 1;
    if (this.#out.isTTY && lines > 0) this.#out.write(`\u001b[${lines}A\u001b[0J`);
    else if (this.#shown !== "") this.#out.write("\n");
    this.#out.write(text);
    this.#shown = text;
  }
}

function withoutAges(text: string): string {
  return text.replaceAll(/\s+\d+[smh](\d+s)?(?=\s)/g, "");
}

function sameButAges(a: string, b: string): boolean {
  return withoutAges(a) === withoutAges(b);
}

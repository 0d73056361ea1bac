import { KEY_FILES, type KeyFile, type KeyFileChange, type KeyFiles } from "./key-set-layout.ts";

/** What there is, and what is to be written over it. */
export class KeySetDraft {
  readonly #existing: KeyFiles;
  readonly #changes = new Map<KeyFile, KeyFileChange>();

  constructor(existing: KeyFiles) {
    this.#existing = existing;
  }

  get(file: KeyFile): string | undefined {
    return this.#changes.get(file)?.text ?? this.#existing.get(file);
  }

  has(file: KeyFile): boolean {
    return this.get(file) !== undefined;
  }

  /** The first of these files that is there. */
  firstOf(
    files: readonly KeyFile[],
  ): { readonly file: KeyFile; readonly text: string } | undefined {
    for (const file of files) {
      const text = this.get(file);
      if (text !== undefined) return { file, text };
    }
    return undefined;
  }

  /** Writes it if it is not there. */
  make(file: KeyFile, text: string): void {
    if (!this.has(file)) this.#changes.set(file, { file, text, replaces: undefined });
  }

  /** Writes it, over what is there. */
  renew(file: KeyFile, text: string): void {
    this.#changes.set(file, { file, text, replaces: this.#existing.get(file) });
  }

  /** In the order in which they are to be written. */
  changes(): readonly KeyFileChange[] {
    return KEY_FILES.flatMap((file) => this.#changes.get(file) ?? []);
  }
}

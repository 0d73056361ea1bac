/** One plausible bug: a change of one place in one file, and the tests that must not let it through. */
export interface Bug {
  /** What the bug does, as a sentence. */
  readonly name: string;
  /** Relative to the repository. */
  readonly file: string;
  /** A passage that the file has exactly once. */
  readonly sound: string;
  readonly broken: string;
  /** Test files, relative to the repository: a test in one of them fails. */
  readonly caughtBy: readonly string[];
}

/** The file's text with the bug in it. Throws a RangeError if the passage is not there exactly once. */
export function withBug(text: string, { name, file, sound, broken }: Bug): string {
  const parts = text.split(sound);
  if (parts.length !== 2) {
    throw new RangeError(`${file} has the passage of "${name}" ${parts.length - 1} times`);
  }
  return parts.join(broken);
}

/** The name nearest to a mistyped one, or undefined if none is near: two letters may differ, or a third. */
export function nearest(typed: string, names: readonly string[]): string | undefined {
  const wanted = plain(typed);
  const ranked = names
    .map((name) => ({ name, steps: stepsBetween(wanted, plain(name)) }))
    .filter(({ name, steps }) => steps <= Math.max(2, Math.floor(plain(name).length / 3)))
    .toSorted((a, b) => a.steps - b.steps);
  return ranked[0]?.name;
}

/** `; did you mean X?`, or nothing. */
export function didYouMean(typed: string, names: readonly string[]): string {
  const name = nearest(typed, names);
  return name === undefined ? "" : `; did you mean ${name}?`;
}

/** Case and separators are not what makes two names different. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, "");
}

/** Levenshtein's: how many letters to insert, delete or replace. */
function stepsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [line, letter] of a.split("").entries()) {
    const next = [line + 1];
    for (const [column, other] of b.split("").entries()) {
      const replaced = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** What a set of measurements comes to. All of these throw a RangeError on an empty set. */

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** By linear interpolation between the two nearest ranks; `share` is 0.5 for the median. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("nothing was measured");
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (sorted.length - 1) * share;
  const below = sorted[Math.floor(rank)] ?? 0;
  const above = sorted[Math.ceil(rank)] ?? 0;
  return below + (above - below) * (rank - Math.floor(rank));
}

/** The median of what each pair of rounds, which ran one after the other, says of the ratio. */
export function medianRatio(
  numerators: readonly number[],
  denominators: readonly number[],
): number {
  return median(numerators.map((value, index) => value / (denominators[index] ?? Number.NaN)));
}

/** Key by key, the median over the rounds. */
export function medianOfRecords<K extends string>(
  records: readonly Readonly<Record<K, number>>[],
): Record<string, number> {
  const keys = Object.keys(records[0] ?? {});
  const all: readonly Readonly<Record<string, number>>[] = records;
  return Object.fromEntries(
    keys.map((key) => [key, median(all.map((record) => record[key] ?? Number.NaN))]),
  );
}

/** Three significant digits are more than a noisy machine can tell apart. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

export type Path = readonly (string | number)[];

export interface Place {
  readonly path: Path;
  readonly value: unknown;
}

/** Every value inside a JSON value, the value itself first. */
export function* places(value: unknown, path: Path = []): Generator<Place> {
  yield { path, value };
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* places(item, [...path, index]);
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) yield* places(item, [...path, key]);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same JSON with another value at the place; with `undefined`, without it. */
export function withValueAt(root: unknown, path: Path, value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (Array.isArray(root)) {
    const items = root.map((item, i) => (i === first ? withValueAt(item, rest, value) : item));
    return items.filter((item) => item !== undefined);
  }
  if (!isObject(root)) throw new TypeError(`there is no ${path.join(".")}`);
  const { [first]: before, ...others } = root;
  const after = withValueAt(before, rest, value);
  return after === undefined ? others : { ...root, [first]: after };
}

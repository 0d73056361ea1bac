/** A source of numbers in [0, 1), as an argument: `Math.random` in production, seeded in tests. */
export type Random = () => number;

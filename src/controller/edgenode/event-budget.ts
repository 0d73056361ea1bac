/** Events on one node in one window: what a node says of itself without end is not for the API server to keep. */
const MAX_EVENTS = 10;
const WINDOW_MS = 60_000;

/** How many Events each node has had lately. */
export class EventBudget {
  /** By node; the window that was opened the longest ago comes first. */
  readonly #windows = new Map<string, { readonly since: number; readonly count: number }>();

  /** Whether there may be one more; `now` is on the monotonic clock, in milliseconds. */
  take(node: string, now: number): boolean {
    for (const [other, { since }] of this.#windows) {
      if (now - since < WINDOW_MS) break;
      this.#windows.delete(other);
    }
    const { since, count } = this.#windows.get(node) ?? { since: now, count: 0 };
    if (count >= MAX_EVENTS) return false;
    this.#windows.set(node, { since, count: count + 1 });
    return true;
  }
}

import type { Hello } from "../../protocol/hello.ts";

/** How long a run must be named whose resource is not there: a cluster may be being filled again. */
export const ABSENT_FOR_MS = 600_000;

export type NamedRun = Hello["runs"][number];

/**
 * Runs that a node has not ended and whose resources the cache does not have, with the time since when: their
 * deletion was not seen by this process. In memory only; what is lost of it is counted anew.
 */
export class AbsentRuns {
  /** By the key of the node: when each was first named without a resource, on the monotonic clock. */
  readonly #since = new Map<string, ReadonlyMap<string, number>>();

  /**
   * Takes note of what a hello names, and returns the runs whose resource has been absent for long enough; of
   * these the time begins anew. A run that is not named, or has a resource again, is forgotten.
   */
  observe(
    nodeKey: string,
    runs: readonly NamedRun[],
    isAbsent: (run: NamedRun) => boolean,
    now: number,
  ): readonly NamedRun[] {
    const before = this.#since.get(nodeKey);
    const since = new Map<string, number>();
    const due: NamedRun[] = [];
    for (const run of runs) {
      if (run.state === "Finished" || !isAbsent(run)) continue;
      const first = before?.get(idOf(run)) ?? now;
      const isDue = now - first >= ABSENT_FOR_MS;
      if (isDue) due.push(run);
      since.set(idOf(run), isDue ? now : first);
    }
    if (since.size === 0) this.#since.delete(nodeKey);
    else this.#since.set(nodeKey, since);
    return due;
  }

  forget(nodeKey: string): void {
    this.#since.delete(nodeKey);
  }
}

function idOf({ uid, runID }: NamedRun): string {
  return `${uid} ${runID}`;
}

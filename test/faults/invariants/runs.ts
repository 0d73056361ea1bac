import type { Evidence, PastRun, RunStatus } from "../evidence.ts";

/** A run as some status told of it, at some time. */
export interface ToldRun {
  readonly name: string;
  readonly run: RunStatus | PastRun;
}

/** Every run that was ever told of, from the history of the watch and from what is there now. */
export function toldRuns({ versions, final }: Evidence): readonly ToldRun[] {
  const seen = versions.flatMap(({ name, run, history }) => told(name, run, history));
  return [...seen, ...finalRuns({ final })];
}

/** The runs that the resources tell of now that everything has come to rest. */
export function finalRuns({ final }: Pick<Evidence, "final">): readonly ToldRun[] {
  return final.flatMap(({ metadata, status }) =>
    told(metadata.name, status.run, status.history ?? []),
  );
}

function told(
  name: string,
  run: RunStatus | undefined,
  history: readonly PastRun[],
): readonly ToldRun[] {
  return [...(run === undefined ? [] : [run]), ...history].map((each) => ({ name, run: each }));
}

/** How often each run id is in the truth. */
export function timesByRun({ truth }: Pick<Evidence, "truth">): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const { runID } of truth) times.set(runID, (times.get(runID) ?? 0) + 1);
  return times;
}

/** Each sentence once: the same run is told of by many versions. */
export function unique(violations: Iterable<string>): string[] {
  return [...new Set(violations)];
}

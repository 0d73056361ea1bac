import type { Evidence } from "../evidence.ts";
import { toldRuns, unique } from "./runs.ts";

/** Ends that include the end of everything that the run had started. */
const ENDED_BY_FORCE: ReadonlySet<string> = new Set(["TimedOut", "Cancelled", "Interrupted"]);

export function nothingLeftRunning(evidence: Evidence): string[] {
  const told = toldRuns(evidence);
  const ended = new Map(
    told
      .filter(({ run }) => ENDED_BY_FORCE.has(run.outcome ?? ""))
      .map(({ name, run }) => [run.runID, `${name}, ${run.outcome}`] as const),
  );
  return unique(
    evidence.leftovers.flatMap(({ runID, commandLine }) => {
      const end = ended.get(runID);
      return end === undefined ? [] : [`${commandLine} of run ${runID} (${end}) is still there`];
    }),
  );
}

/** Programs end by themselves only where they must: without the lease, or without a journal. */
export function nobodyCrashed({ exits, faults }: Evidence): string[] {
  const cramped = new Set(faults.filter(({ fault }) => fault === "disk-full").map((f) => f.target));
  return exits
    .filter(({ process, code }) => !(code === 1 && (cramped.has(process) || /^c\d$/.test(process))))
    .map(
      ({ process, code, signal, atMs }) => `${process} ended with ${signal ?? code} at ${atMs} ms`,
    );
}

import type { Declared, Evidence, RunStatus } from "../evidence.ts";
import { expectedOf } from "../scripts.ts";
import { finalRuns, timesByRun, toldRuns, unique, type ToldRun } from "./runs.ts";

/** `started: False` was said, at any time: then nothing of that run is in the truth. */
export function falseMeansNever(evidence: Evidence): string[] {
  const times = timesByRun(evidence);
  const denied = toldRuns(evidence).filter(
    ({ run: { started, runID } }) => started === "False" && times.has(runID ?? ""),
  );
  return unique(
    denied.map(
      ({ name, run }) => `${name}: run ${run.runID} is said never to have started, and ran`,
    ),
  );
}

/** A run that is said to have ended as commands do is in the truth, under its own resource. */
export function endsAreTrue(evidence: Evidence): string[] {
  const { truth, declared } = evidence;
  const tokens = new Map(truth.map(({ runID, token }) => [runID, token]));
  return unique(
    toldRuns(evidence).flatMap(({ name, run }) => {
      const { runID = "", outcome } = run;
      const token = tokens.get(runID);
      const owner = declared.get(token ?? "")?.name;
      if (token !== undefined && owner !== name) {
        return [`${name} tells of run ${runID}, which is of ${owner}`];
      }
      const ended = outcome === "Succeeded" || (outcome === "Failed" && "exitCode" in run);
      return ended && token === undefined ? [`${name}: run ${runID} ${outcome} and never ran`] : [];
    }),
  );
}

/** How it ended is how its script ends, or something that may have come between. */
export function outcomesFit(evidence: Evidence): string[] {
  const tokens = new Map(evidence.truth.map(({ runID, token }) => [runID, token]));
  return unique(
    toldRuns(evidence).flatMap(({ name, run }) => {
      const what = evidence.declared.get(tokens.get(run.runID ?? "") ?? "");
      if (what === undefined || run.outcome === undefined || fits(run, what)) return [];
      return [`${name}: ${what.token} ended as ${run.outcome} ${run.exitCode ?? ""} ${run.reason}`];
    }),
  );
}

/** Not the script's doing: the node's, the users', or a deadline's. */
const BETWEEN: ReadonlySet<string> = new Set([
  "Interrupted",
  "Cancelled",
  "Unknown",
  "Expired",
  "Skipped",
]);

function fits({ outcome, exitCode, started }: ToldRun["run"], { kind }: Declared): boolean {
  if (BETWEEN.has(outcome ?? "")) return true;
  // By its offlinePolicy, before the node had a word.
  if (outcome === "Failed" && started === "Unknown") return true;
  const expected = expectedOf(kind);
  return outcome === expected.outcome && exitCode === expected.exitCode;
}

/** What a status shows of the output is what that run of that resource said. */
export function outputIsOwn({ final, truth, faults }: Evidence): string[] {
  const tokens = new Map(truth.map(({ runID, token }) => [runID, token]));
  const cramped = new Set(faults.filter(({ fault }) => fault === "disk-full").map((f) => f.target));
  return final.flatMap(({ metadata, spec, status: { run } }) => {
    if (run === undefined || !saidAll(run) || cramped.has(spec.nodeName)) return [];
    const said = `${tokens.get(run.runID ?? "")} ${run.runID}\n`;
    const text = run.stdout?.text ?? "";
    if (text.startsWith(said)) return [];
    return [`${metadata.name}: run ${run.runID} is shown to have said ${text.slice(0, 80)}`];
  });
}

function saidAll({ outcome, exitCode }: RunStatus): boolean {
  return outcome === "Succeeded" || (outcome === "Failed" && exitCode !== undefined);
}

/** Commands outlive their agent: only the death of their machine interrupts them. */
export function interruptedOnlyByTheMachine(evidence: Evidence): string[] {
  const dead = new Set(
    evidence.faults.filter(({ fault }) => fault === "machine-death").map(({ target }) => target),
  );
  return unique(
    toldRuns(evidence).flatMap(({ name, run }) => {
      const node = nodeOfName(evidence, name);
      if (run.outcome !== "Interrupted" || dead.has(node)) return [];
      return [`${name}: run ${run.runID} is Interrupted (${run.reason}); ${node} did not die`];
    }),
  );
}

/** Everything has healed and every node has had its say: nothing is left that nobody knows. */
export function nothingUnknown(evidence: Evidence): string[] {
  return unique(
    finalRuns(evidence)
      .filter(({ run }) => isUnknown(run))
      .map(({ name, run }) => {
        const node = nodeOfName(evidence, name);
        const faults = evidence.faults.filter(({ target }) => target === node);
        const what = unique(faults.map(({ fault }) => fault)).join(", ");
        return `${name}: run ${run.runID} is Unknown; ${node} had ${what === "" ? "nothing" : what}`;
      }),
  );
}

/** A start deadline is only kept where there is one. */
export function expiredOnlyByDeadline(evidence: Evidence): string[] {
  return unique(
    toldRuns(evidence).flatMap(({ name, run }) => {
      if (run.outcome !== "Expired") return [];
      const some = [...evidence.declared.values()].filter((what) => what.name === name);
      return some.some(({ hasDeadline }) => hasDeadline)
        ? []
        : [`${name} expired, without a deadline`];
    }),
  );
}

function isUnknown({ outcome }: { readonly outcome?: string | undefined }): boolean {
  return outcome === "Unknown";
}

function nodeOfName({ declared }: Evidence, name: string): string {
  return [...declared.values()].find((what) => what.name === name)?.node ?? "";
}

import type { Evidence } from "../evidence.ts";
import { timesByRun, toldRuns, unique } from "./runs.ts";

/** Nothing ran that nobody declared, nowhere but on its node, nor more often than it was declared. */
export function atMostOnce({ truth, declared }: Evidence): string[] {
  const byToken = Map.groupBy(truth, ({ token }) => token);
  const violations: string[] = [];
  for (const [token, lines] of byToken) {
    const what = declared.get(token);
    if (what === undefined) {
      violations.push(`${token} ran, which nobody declared`);
      continue;
    }
    const elsewhere = lines.find(({ node }) => node !== what.node);
    if (elsewhere !== undefined)
      violations.push(`${token} of ${what.node} ran on ${elsewhere.node}`);
    const allowed = what.declarations * what.attempts;
    if (lines.length > allowed) {
      const runs = lines.map(({ runID }) => runID).join(", ");
      violations.push(`${token} ran ${lines.length} times, declared for ${allowed}: ${runs}`);
    }
  }
  return violations;
}

/** A run has one id, which is never given again, and no more starts than it may have attempts. */
export function oneStartEachRun({ truth, declared }: Evidence): string[] {
  const violations: string[] = [];
  for (const [runID, lines] of Map.groupBy(truth, (line) => line.runID)) {
    const tokens = unique(lines.map(({ token }) => token));
    if (runID === "") violations.push(`${tokens.join(", ")} ran without a run id`);
    else if (tokens.length > 1) violations.push(`run ${runID} is of ${tokens.join(" and ")}`);
    else {
      const attempts = declared.get(tokens[0] ?? "")?.attempts ?? 1;
      if (lines.length > attempts) {
        violations.push(`run ${runID} of ${tokens[0]} started ${lines.length} times`);
      }
    }
  }
  return violations;
}

/** A run that has ended was not started more often than its status says. */
export function attemptsAreCounted(evidence: Evidence): string[] {
  const times = timesByRun(evidence);
  return unique(
    toldRuns(evidence).flatMap(({ name, run }) => {
      const { attempts = Infinity } = run as { readonly attempts?: number };
      const started = times.get(run.runID ?? "") ?? 0;
      if (run.outcome === undefined || started <= attempts) return [];
      return [
        `${name}: run ${run.runID} tells of ${attempts} attempts, and started ${started} times`,
      ];
    }),
  );
}

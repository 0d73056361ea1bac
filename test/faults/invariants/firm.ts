import type { Evidence, RunStatus, Version } from "../evidence.ts";
import { unique } from "./runs.ts";

/** Terminal never changes; what was said without the node's word is replaced by it, once. */
export function terminalIsFirm({ versions }: Evidence): string[] {
  // A restore takes back what was written after the backup: each time between two is looked at alone.
  const lives = Map.groupBy(versions, ({ restores, uid }) => `${restores}/${uid}`);
  return unique([...lives.values()].flatMap((life) => changesIn(life)));
}

function changesIn(life: readonly Version[]): string[] {
  const violations: string[] = [];
  const firm = new Map<string, string>();
  for (const { name, run } of life) {
    if (run === undefined) continue;
    const end = isFirm(run) ? endOf(run) : undefined;
    const before = firm.get(identityOf(run));
    if (before !== undefined && end !== before) {
      violations.push(
        `${name}: run of generation ${run.declared} was ${before}, then ${end ?? "open"}`,
      );
    }
    if (end !== undefined) firm.set(identityOf(run), end);
  }
  return violations;
}

/** The only ends that a later word of the node replaces. */
const WITHOUT_WORD: ReadonlySet<string> = new Set(["Expired", "Skipped", "Failed"]);

function isFirm({ outcome, started }: RunStatus): boolean {
  const end: string | undefined = outcome;
  if (end === undefined || end === "Unknown") return false;
  return !(started === "Unknown" && WITHOUT_WORD.has(end));
}

/** A run of a resource: what was declared, at which generation, and how often it was asked for. */
function identityOf(run: RunStatus): string {
  const { declared, revision } = run;
  const { rerun = "", epoch = 0 } = run as { readonly rerun?: string; readonly epoch?: number };
  return JSON.stringify([declared, revision, rerun, epoch]);
}

function endOf({ outcome, runID, exitCode, started }: RunStatus): string {
  return `${outcome} ${exitCode ?? ""} (run ${runID ?? "none"}, started ${started})`;
}

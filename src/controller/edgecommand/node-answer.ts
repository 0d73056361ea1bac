import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import type { Observed } from "./observe.ts";

/** What the node's refusal to run it, other than a passing one, makes of a run. */
export function withNodeAnswer(run: RunStatus, { exchange }: Observed): RunStatus {
  const { ahead, ledgerLostIn } = exchange;
  if (ahead?.row !== undefined) return { ...run, nodeRow: ahead.row };
  return ledgerLostIn === undefined ? run : withLedgerLost(run);
}

/** What has another end by now keeps it: a lost ledger says nothing of it. */
function withLedgerLost(run: RunStatus): RunStatus {
  if (run.outcome !== undefined && run.outcome !== "Unknown") return run;
  return {
    ...run,
    started: run.started ?? "Unknown",
    outcome: "Unknown",
    summary: "unknown: the node has lost its ledger",
    reason: "LedgerLost",
    message:
      "The node has lost its ledger: nobody knows whether it ran. To run it now, whether or not it ran " +
      "before, set spec.rerun to a new value.",
  };
}

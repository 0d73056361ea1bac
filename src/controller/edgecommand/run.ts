import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import type { PastRun, RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { withEnded } from "./history.ts";

/** The runs that a status tells of. */
export interface Runs {
  readonly run: RunStatus;
  readonly history: readonly PastRun[];
}

export interface DeclaredRuns extends Runs {
  /** Etcd does not name this run yet. */
  readonly isUnwritten: boolean;
  /**
   * The status must name it in etcd before anything is sent. A new resource (generation 1, no run in its
   * status) is the exception: its run follows from the resource itself, so that two controllers derive the
   * same envelope.
   */
  readonly mustBeWritten: boolean;
}

/**
 * Whether the end of a run is one that nothing can change: the node's word, or that nothing can have been
 * sent. What the controller says without the node (Expired, Skipped, Failed for a node that is away) is not:
 * another controller may have sent it a moment before. Unknown never is.
 */
export function isFirm(run: Pick<RunStatus, "outcome" | "started" | "runID"> | undefined): boolean {
  if (run?.outcome === undefined || run.outcome === "Unknown") return false;
  return run.runID !== undefined || run.started === "False";
}

/** What a run is, without what became of it. */
export type Declaration = Pick<
  RunStatus,
  "declared" | "revision" | "rerun" | "epoch" | "requestedAt" | "resumedAt" | "nodeRow"
>;

export function declarationOf(run: RunStatus): Declaration {
  const { declared, revision, rerun, epoch, requestedAt, resumedAt, nodeRow } = run;
  return {
    declared,
    revision,
    rerun,
    epoch,
    requestedAt,
    ...(resumedAt === undefined ? {} : { resumedAt }),
    ...(nodeRow === undefined ? {} : { nodeRow }),
  };
}

/**
 * The runs as they have to be for what the resource declares now: a revision, and a rerun of it. While the
 * status has no run, the same may have been sent for an earlier generation: then it was requested as early as
 * can be, so that a node whose ledger was lost since does not take it for something new.
 */
export function declaredRuns(command: EdgeCommand, revision: string, now: string): DeclaredRuns {
  const { metadata, status, spec } = command;
  const { run, history = [] } = status;
  if (run !== undefined && isWhatWasRun(run, revision, spec.rerun)) {
    return { run, history, isUnwritten: false, mustBeWritten: false };
  }
  const isNew = run === undefined && metadata.generation === 1;
  const declared: RunStatus = {
    declared: metadata.generation,
    revision,
    rerun: spec.rerun,
    ...succeeding(run, spec.rerun),
    requestedAt: run === undefined ? new Date(metadata.creationTimestamp).toISOString() : now,
    reason: "Pending",
    message: "",
  };
  return {
    run: declared,
    history: withEnded(history, run),
    isUnwritten: true,
    mustBeWritten: !isNew,
  };
}

/** An empty rerun asks for nothing: clearing it never runs anything. */
function isWhatWasRun(run: RunStatus, revision: string, rerun: string): boolean {
  return run.revision === revision && (rerun === "" || rerun === run.rerun);
}

/**
 * The epoch of the run after `before`. A new rerun is a person's word that the cluster's state counts and not
 * the node's: then it is above that of the node's row, which stays, as what is to be taken over. Without that
 * word the row is in the way of whatever is declared.
 */
function succeeding(
  before: RunStatus | undefined,
  rerun: string,
): Pick<RunStatus, "epoch" | "nodeRow"> {
  if (before === undefined) return { epoch: 0 };
  const { epoch, nodeRow } = before;
  if (nodeRow === undefined) return { epoch };
  const isAskedFor = rerun !== "" && rerun !== before.rerun;
  return { epoch: isAskedFor ? Math.max(epoch, nodeRow.epoch + 1) : epoch, nodeRow };
}

/** The node has a later state than the cluster, and nobody has said that it is to be passed over. */
export function isBehindItsNode({ epoch, nodeRow }: RunStatus): boolean {
  return nodeRow !== undefined && nodeRow.epoch >= epoch;
}

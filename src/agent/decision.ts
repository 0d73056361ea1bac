/**
 * DESIGN §4, "Who decides what runs": the agent's table, as one pure function. Everything that makes a
 * run start at most once follows from it and from the ledger committing what it says before anything
 * is done about it.
 */

/** What the table needs to know of one run in the ledger. */
export interface RunFacts {
  readonly runID: string;
  readonly revision: string;
  readonly finished: boolean;
  /** STARTING was committed, and it did not end with started "False". */
  readonly mayHaveStarted: boolean;
}

/** What the ledger has under one namespace and name. */
export interface Row {
  /** The uid whose resource has the row now. */
  readonly uid: string;
  /** The highest generation that was sent for the current run. */
  readonly generation: number;
  readonly run: RunFacts;
  /** The last run before the current one that started or may have. */
  readonly lastRan: RunFacts | undefined;
  /** Uids that had the row before. Nothing is ever run for them again. */
  readonly retired: readonly string[];
}

/** The part of a command that decides. */
export interface Offer {
  readonly uid: string;
  readonly generation: number;
  readonly declared: number;
  readonly revision: string;
  readonly takesOver?: string | undefined;
}

export type Decision =
  /** The uid was retired: another resource of this name has the row for good. */
  | { readonly kind: "superseded" }
  /** It is the row's current run; the row takes the higher generation. */
  | { readonly kind: "known"; readonly generation: number }
  /** A later generation than the offered one has been here. */
  | { readonly kind: "nodeIsAhead" }
  /** Another uid has the row; the controller must say that it is gone. */
  | { readonly kind: "takeoverNeeded" }
  /**
   * The same was run under `retires` already, or waits to be: that run becomes this uid's, its receipt due
   * again. `ends`, a later run that waits, is never started.
   */
  | {
      readonly kind: "adopt";
      readonly runID: string;
      readonly ends: string | undefined;
      readonly retires: string;
    }
  /** A new run, after `ends`, a run that is not over, has ended; `retires` loses the row. */
  | {
      readonly kind: "newRun";
      readonly ends: string | undefined;
      readonly retires: string | undefined;
    };

/** What follows from a command that was admitted, given what the ledger has. The first match wins. */
export function decide(offer: Offer, row: Row | undefined): Decision {
  if (row === undefined) return { kind: "newRun", ends: undefined, retires: undefined };
  if (row.retired.includes(offer.uid)) return { kind: "superseded" };
  if (offer.uid === row.uid) return decideOnOwnRow(offer, row);
  if (offer.takesOver !== row.uid) return { kind: "takeoverNeeded" };
  return decideOnTakeover(offer, row);
}

function decideOnOwnRow(offer: Offer, row: Row): Decision {
  if (offer.revision === row.run.revision) {
    return { kind: "known", generation: Math.max(offer.generation, row.generation) };
  }
  if (offer.declared <= row.generation) return { kind: "nodeIsAhead" };
  return { kind: "newRun", ends: unfinished(row.run), retires: undefined };
}

function decideOnTakeover({ revision }: Offer, { run, lastRan, uid }: Row): Decision {
  const neverStarted = run.finished && !run.mayHaveStarted;
  if (revision === run.revision && !neverStarted) {
    return { kind: "adopt", runID: run.runID, ends: undefined, retires: uid };
  }
  // A run that waits is withdrawn with this decision: then what ran last is still what ran before it.
  if (!run.mayHaveStarted && lastRan?.mayHaveStarted === true && lastRan.revision === revision) {
    return { kind: "adopt", runID: lastRan.runID, ends: unfinished(run), retires: uid };
  }
  return { kind: "newRun", ends: unfinished(run), retires: uid };
}

function unfinished(run: RunFacts): string | undefined {
  return run.finished ? undefined : run.runID;
}

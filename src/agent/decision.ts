/**
 * DESIGN §4, "Who decides what runs": the agent's table, as one pure function. Everything that makes a
 * run start at most once follows from it and from the ledger committing what it says before anything
 * is done about it.
 */

/** What the table needs to know of one run in the ledger. */
export interface RunFacts {
  readonly runID: string;
  readonly revision: string;
  readonly rerun: string;
  readonly finished: boolean;
  /** STARTING was committed, and it did not end with started "False". */
  readonly mayHaveStarted: boolean;
}

/** Who has a namespace and name, and what was run for it. */
export interface Row {
  /** The uid whose resource has the row now. */
  readonly uid: string;
  /** The highest epoch, and the highest generation in it, that was sent for the current run. */
  readonly epoch: number;
  readonly generation: number;
  readonly run: RunFacts;
  /** The last run before the current one that started or may have. */
  readonly lastRan: RunFacts | undefined;
}

/** What the ledger has under one namespace and name. */
export interface History {
  readonly row: Row | undefined;
  /** Uids for which nothing is run any more. Of one whose resource was deleted, the row may be here still. */
  readonly retired: readonly string[];
}

/** The part of a command, or of a withdrawal, that decides. */
export interface Offer {
  readonly uid: string;
  readonly epoch: number;
  readonly generation: number;
  readonly declared: number;
  readonly revision: string;
  readonly rerun: string;
  readonly requestedAt: string;
  readonly takesOver?: string | undefined;
  /** When the cluster first heard of this ledger; absent for the node's first. */
  readonly ledgerSince?: string | undefined;
}

export type Decision =
  /** Nothing is run for this uid any more: another has the row, or its resource was deleted. */
  | { readonly kind: "superseded" }
  /** It is the row's current run; the row takes epoch and generation if they are higher. */
  | { readonly kind: "known" }
  /** A later generation than the offered one has been here. */
  | { readonly kind: "nodeIsAhead" }
  /** Another uid has the row; the controller must say that it is gone. */
  | { readonly kind: "takeoverNeeded" }
  /** The ledger that the node had before may have run it. */
  | { readonly kind: "ledgerLost" }
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
  /**
   * A new run, after `ends`, a run that is not over, has ended. `retires` loses the row; the offered uid
   * is no longer retired, if it was.
   */
  | {
      readonly kind: "newRun";
      readonly ends: string | undefined;
      readonly retires: string | undefined;
    };

/** What follows from a command that was admitted, given what the ledger has. The first match wins. */
export function decide(offer: Offer, { row, retired }: History): Decision {
  if (retired.includes(offer.uid)) return decideOnRetired(offer, row);
  if (row === undefined) return decideOnNoRow(offer);
  if (offer.uid === row.uid) return decideOnOwnRow(offer, row);
  if (offer.takesOver !== row.uid) return { kind: "takeoverNeeded" };
  return decideOnTakeover(offer, row);
}

/** Only a person's word, which raises the epoch, brings back what was retired. */
function decideOnRetired(offer: Offer, row: Row | undefined): Decision {
  if (row === undefined || offer.takesOver !== row.uid || offer.epoch <= row.epoch) {
    return { kind: "superseded" };
  }
  const retires = row.uid === offer.uid ? undefined : row.uid;
  return { kind: "newRun", ends: unfinished(row.run), retires };
}

function decideOnNoRow({ requestedAt, ledgerSince }: Offer): Decision {
  if (ledgerSince !== undefined && Date.parse(requestedAt) <= Date.parse(ledgerSince)) {
    return { kind: "ledgerLost" };
  }
  return { kind: "newRun", ends: undefined, retires: undefined };
}

function decideOnOwnRow(offer: Offer, row: Row): Decision {
  // A lower generation with an empty rerun is the state from before the row's rerun was set.
  const isKnown = isOlder(offer, row) ? isExactly(offer, row.run) : isSame(offer, row.run);
  if (isKnown) return { kind: "known" };
  if (order(offer.epoch, offer.declared, row) <= 0) return { kind: "nodeIsAhead" };
  return { kind: "newRun", ends: unfinished(row.run), retires: undefined };
}

function decideOnTakeover(offer: Offer, { run, lastRan, uid }: Row): Decision {
  // A run that waits is withdrawn with this decision: then what ran last is still what ran before it. That
  // comes first, since an empty rerun may match both, and asks for nothing that has not run.
  if (!run.mayHaveStarted && lastRan?.mayHaveStarted === true && isSame(offer, lastRan)) {
    return { kind: "adopt", runID: lastRan.runID, ends: unfinished(run), retires: uid };
  }
  const neverStarted = run.finished && !run.mayHaveStarted;
  if (isSame(offer, run) && !neverStarted) {
    return { kind: "adopt", runID: run.runID, ends: undefined, retires: uid };
  }
  return { kind: "newRun", ends: unfinished(run), retires: uid };
}

type What = Pick<Offer, "revision" | "rerun">;

function isExactly(offer: What, run: What): boolean {
  return offer.revision === run.revision && offer.rerun === run.rerun;
}

/** An empty rerun asks for nothing new: whatever the run's was, it is the same. */
function isSame(offer: What, run: What): boolean {
  return offer.revision === run.revision && (offer.rerun === "" || offer.rerun === run.rerun);
}

/** Whether it speaks of an earlier state of the resource than the row's. */
export function isOlder(
  { epoch, generation }: Pick<Offer, "epoch" | "generation">,
  row: Row,
): boolean {
  return order(epoch, generation, row) < 0;
}

/** Negative if it is before what the row has, 0 if it is that: a higher epoch is later at any generation. */
function order(epoch: number, generation: number, row: Row): number {
  return epoch === row.epoch ? generation - row.generation : epoch - row.epoch;
}

function unfinished(run: RunFacts): string | undefined {
  return run.finished ? undefined : run.runID;
}

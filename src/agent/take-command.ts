import type { Ack } from "../protocol/ack.ts";
import type { Command } from "../protocol/command.ts";
import type { RunResult } from "../protocol/run.ts";
import { sealingContext } from "../protocol/sealed-inputs.ts";
import type { Withdrawal } from "../protocol/withdrawal.ts";
import { decide, isOlder, type Decision, type Row } from "./decision.ts";
import type { LedgerTables } from "./ledger-tables.ts";
import { CANCELLED, DELETED, REPLACED, unstarted, type EndCause } from "./run-end.ts";

/** The withdrawal of one run, and that of a whole resource. */
export type RunWithdrawal = Extract<Withdrawal, { scope: "run" }>;
export type ResourceWithdrawal = Extract<Withdrawal, { scope: "resource" }>;

/** What was admitted, and what a new run of it would get. */
interface Taking {
  readonly runID: string;
  /** Controller time. */
  readonly at: string;
}

export interface CommandTaking extends Taking {
  readonly command: Command;
  /** Why the node cannot do this at all; undefined if it can. */
  readonly rejection: RunResult | undefined;
}

export interface WithdrawalTaking extends Taking {
  readonly withdrawal: RunWithdrawal;
}

/** A run that is to be ended, if anybody is at it; what starts on the same row waits for that. */
export interface Ending {
  readonly runID: string;
  readonly cause: EndCause;
}

/** What is to be done once the ledger has it. */
export interface Taken {
  readonly ack: Ack;
  /** A run that was accepted and is to be started. */
  readonly starts: string | undefined;
  readonly ends: readonly Ending[];
  /** Runs whose results are due. */
  readonly due: readonly string[];
}

/** Decides on a command and writes down what follows. Called within a transaction of the ledger. */
export function takeCommand(tables: LedgerTables, taking: CommandTaking): Taken {
  const { command, rejection, runID, at } = taking;
  return take(tables, {
    offered: command,
    runID,
    at,
    insert: () => {
      if (rejection === undefined) insertRun(tables, taking);
      else tables.insertFinished(runID, command, rejection);
    },
    withdraws: undefined,
  });
}

function insertRun(tables: LedgerTables, { command, runID, at }: CommandTaking): void {
  tables.insertRun(runID, command, at);
  const { sealed } = command;
  if (sealed === undefined) return;
  tables.insertSealed(runID, { box: sealed, context: sealingContext(command) });
}

/**
 * Decides on the withdrawal of a run, by the same table, and writes down what follows: the run that it
 * means is ended, and where that was never here, a run stands in its place that never starts.
 */
export function takeWithdrawal(tables: LedgerTables, taking: WithdrawalTaking): Taken {
  const { withdrawal, runID, at } = taking;
  return take(tables, {
    offered: withdrawal,
    runID,
    at,
    insert: () =>
      tables.insertFinished(runID, withdrawal, { ...unstarted(CANCELLED), finishedAt: at }),
    withdraws: CANCELLED,
  });
}

/** A resource was deleted: its run is ended, and nothing is run for it any more. Its row stays. */
export function takeDeletion(
  tables: LedgerTables,
  { namespace, name, uid }: ResourceWithdrawal,
  at: string,
): Taken {
  const { row, retired } = tables.history(namespace, name);
  if (!retired.includes(uid)) tables.retire(namespace, name, uid);
  if (row?.uid !== uid) return { ack: { answer: "absent" }, ...NOTHING };
  const { runID } = row.run;
  const ended = end(tables, runID, { cause: DELETED, at });
  return { ...NOTHING, ...ended, ack: { answer: "known", run: tables.report(runID) } };
}

/** A command or a withdrawal, in what they have in common. */
interface Offered extends Taking {
  readonly offered: Command | RunWithdrawal;
  /** Makes a new run of it. */
  readonly insert: () => void;
  /** Why its run is to be ended, whatever it does; undefined for a command. */
  readonly withdraws: EndCause | undefined;
}

function take(tables: LedgerTables, taking: Offered): Taken {
  const { offered } = taking;
  const history = tables.history(offered.namespace, offered.name);
  const decision = decide(offered, history);
  const { row } = history;
  switch (decision.kind) {
    case "ledgerLost":
      return { ack: { answer: "ledgerLost" }, ...NOTHING };
    case "superseded":
      return { ack: { answer: "superseded", ...(row && { row: ownerOf(row) }) }, ...NOTHING };
    case "nodeIsAhead":
    case "takeoverNeeded":
      return { ack: { answer: decision.kind, row: ownerOf(existing(row)) }, ...NOTHING };
    case "known":
      // It may have been taken back since.
      if (taking.withdraws !== undefined && isOlder(offered, existing(row))) {
        return { ack: { answer: "nodeIsAhead", row: ownerOf(existing(row)) }, ...NOTHING };
      }
      return known(tables, taking, existing(row).run.runID);
    case "adopt":
      return adopt(tables, taking, { row: existing(row), decision });
    case "newRun":
      return newRun(tables, taking, { row, decision });
    default:
      return decision satisfies never;
  }
}

function known(tables: LedgerTables, { offered, withdraws, at }: Offered, runID: string): Taken {
  tables.renew(runID, offered);
  const ended = withdraws === undefined ? {} : end(tables, runID, { cause: withdraws, at });
  return { ...NOTHING, ...ended, ack: { answer: "known", run: tables.report(runID) } };
}

interface Adoption {
  readonly row: Row;
  readonly decision: Extract<Decision, { kind: "adopt" }>;
}

function adopt(tables: LedgerTables, taking: Offered, { row, decision }: Adoption): Taken {
  const { offered, at, withdraws } = taking;
  const { runID, ends, retires } = decision;
  const replaced = end(tables, ends, { cause: REPLACED, at });
  tables.retire(offered.namespace, offered.name, retires);
  tables.adopt(runID, offered);
  // The current run may still wait, and be replaced before it starts.
  tables.setCurrent(runID, runID === row.run.runID ? row.lastRan?.runID : undefined);
  const wasOver = tables.report(runID).state === "Finished";
  const own = end(tables, withdraws && runID, { cause: withdraws ?? REPLACED, at });
  return {
    ack: { answer: "known", run: tables.report(runID) },
    starts: undefined,
    ends: [...replaced.ends, ...own.ends],
    due: [...replaced.due, ...own.due, ...(wasOver ? [runID] : [])],
  };
}

interface NewRun {
  readonly row: Row | undefined;
  readonly decision: Extract<Decision, { kind: "newRun" }>;
}

function newRun(tables: LedgerTables, taking: Offered, { row, decision }: NewRun): Taken {
  const { offered, runID, at, insert } = taking;
  if (tables.isFull()) return { ack: BUSY, ...NOTHING };
  const { namespace, name, uid } = offered;
  const replaced = end(tables, decision.ends, { cause: REPLACED, at });
  if (decision.retires !== undefined) tables.retire(namespace, name, decision.retires);
  tables.reinstate(namespace, name, uid);
  insert();
  tables.setCurrent(runID, row?.run.mayHaveStarted === true ? row.run.runID : row?.lastRan?.runID);
  const run = tables.report(runID);
  const isOver = run.state === "Finished";
  return {
    ack: { answer: "accepted", run },
    starts: isOver ? undefined : runID,
    ends: replaced.ends,
    due: isOver ? [...replaced.due, runID] : replaced.due,
  };
}

/** A run that waits is over with that, and its result due; one under way is left to whoever runs it. */
function end(
  tables: LedgerTables,
  runID: string | undefined,
  { cause, at }: { readonly cause: EndCause; readonly at: string },
): Pick<Taken, "ends" | "due"> {
  if (runID === undefined) return { ends: [], due: [] };
  const how = tables.withdraw(runID, cause, at);
  return {
    ends: how === "over" ? [] : [{ runID, cause }],
    due: how === "finished" ? [runID] : [],
  };
}

const NOTHING = { starts: undefined, ends: [], due: [] } as const;

const BUSY: Ack = {
  answer: "refused",
  reason: "Busy",
  message: "the journal has as many runs without a receipt as it may",
};

function ownerOf({ uid, epoch, generation }: Row): Pick<Row, "uid" | "epoch" | "generation"> {
  return { uid, epoch, generation };
}

/** The decision that led here is only taken where there is a row. */
function existing(row: Row | undefined): Row {
  if (row === undefined) throw new TypeError("there is no row to answer with");
  return row;
}

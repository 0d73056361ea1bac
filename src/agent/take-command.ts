import type { Ack } from "../protocol/ack.ts";
import type { Command } from "../protocol/command.ts";
import type { RunResult } from "../protocol/run.ts";
import { decide, type Decision, type Row } from "./decision.ts";
import type { LedgerTables } from "./ledger-tables.ts";
import { REPLACED, unstarted } from "./run-end.ts";

/** A command that was admitted, and what a new run of it would get. */
export interface Taking {
  readonly command: Command;
  readonly runID: string;
  /** Controller time. */
  readonly at: string;
  /** Why the node cannot do this at all; undefined if it can. */
  readonly rejection: RunResult | undefined;
}

/** What is to be done once the ledger has it. */
export interface Taken {
  readonly ack: Ack;
  /** A run that was accepted and is to be started. */
  readonly starts: string | undefined;
  /** A run under way that is to be ended; what starts on the same row waits for that. */
  readonly ends: string | undefined;
  /** Runs whose results are due. */
  readonly due: readonly string[];
}

/** Decides on a command and writes down what follows. Called within a transaction of the ledger. */
export function takeCommand(tables: LedgerTables, taking: Taking): Taken {
  const { command } = taking;
  const row = tables.row(command.namespace, command.name);
  const decision = decide(command, row);
  switch (decision.kind) {
    case "superseded":
    case "nodeIsAhead":
    case "takeoverNeeded":
      return nothingBut(refused(decision.kind, row));
    case "known":
      return known(tables, row, command);
    case "adopt":
      return adopt(tables, taking, { row, decision });
    case "newRun":
      return newRun(tables, taking, { row, decision });
    default:
      return decision satisfies never;
  }
}

function refused(answer: "superseded" | "nodeIsAhead" | "takeoverNeeded", row?: Row): Ack {
  const { uid, generation } = existing(row);
  return { answer, row: { uid, generation } };
}

function known(tables: LedgerTables, row: Row | undefined, command: Command): Taken {
  const { runID } = existing(row).run;
  tables.renew(runID, command);
  return nothingBut({ answer: "known", run: tables.report(runID) });
}

interface Adoption {
  readonly row: Row | undefined;
  readonly decision: Extract<Decision, { kind: "adopt" }>;
}

function adopt(tables: LedgerTables, { command, at }: Taking, { row, decision }: Adoption): Taken {
  const { runID, ends, retires } = decision;
  const withdrawn = withdraw(tables, ends, at);
  tables.retire(command.namespace, command.name, retires);
  tables.adopt(runID, command);
  // The current run may still wait, and be replaced before it starts.
  tables.setCurrent(runID, runID === row?.run.runID ? row.lastRan?.runID : undefined);
  const run = tables.report(runID);
  const adopted = run.state === "Finished" ? [runID] : [];
  return { ...nothingBut({ answer: "known", run }), due: [...withdrawn, ...adopted] };
}

interface NewRun {
  readonly row: Row | undefined;
  readonly decision: Extract<Decision, { kind: "newRun" }>;
}

function newRun(tables: LedgerTables, taking: Taking, { row, decision }: NewRun): Taken {
  const { command, runID, at, rejection } = taking;
  const { ends, retires } = decision;
  const withdrawn = withdraw(tables, ends, at);
  if (retires !== undefined) tables.retire(command.namespace, command.name, retires);
  tables.insertRun(runID, command, at);
  if (rejection !== undefined) tables.finish(runID, rejection);
  tables.setCurrent(runID, row?.run.mayHaveStarted === true ? row.run.runID : row?.lastRan?.runID);
  return {
    ack: { answer: "accepted", run: tables.report(runID) },
    starts: rejection === undefined ? runID : undefined,
    ends: withdrawn.length === 0 ? ends : undefined,
    due: rejection === undefined ? withdrawn : [...withdrawn, runID],
  };
}

/** A run that was not started never will be; one that was is left to whoever runs it. */
function withdraw(tables: LedgerTables, runID: string | undefined, at: string): string[] {
  if (runID === undefined || tables.openRun(runID)?.state !== "Accepted") return [];
  tables.finish(runID, { ...unstarted(REPLACED), finishedAt: at });
  return [runID];
}

function nothingBut(ack: Ack): Taken {
  return { ack, starts: undefined, ends: undefined, due: [] };
}

/** The decision that led here is only taken where there is a row. */
function existing(row: Row | undefined): Row {
  if (row === undefined) throw new TypeError("there is no row to answer with");
  return row;
}

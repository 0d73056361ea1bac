import type { SQLOutputValue } from "node:sqlite";
import {
  commandTerms,
  commandWork,
  type CommandTerms,
  type CommandWork,
} from "../protocol/command.ts";
import { runResult, type RunReport, type RunResult } from "../protocol/run.ts";

/** One row as SQLite gives it. */
export type SqlRow = Record<string, SQLOutputValue>;

/**
 * How far a run has come. `Starting` is committed before the fork and `Running` after it: a run that is
 * found Starting after a crash may or may not have begun.
 */
export type RunState = "Accepted" | "Starting" | "Running" | "Finished";

/** A run that is not over, with all that it takes to do it. */
export interface OpenRun {
  readonly runID: string;
  readonly namespace: string;
  readonly name: string;
  readonly state: RunState;
  readonly work: CommandWork;
  readonly terms: CommandTerms;
  /** The boot in which it was started; undefined before that. */
  readonly bootID: string | undefined;
  readonly startedAt: string | undefined;
}

/** Throws if the row is of a finished run, whose work is gone. */
export function openRunFrom(row: SqlRow): OpenRun {
  return {
    runID: text(row, "run_id"),
    namespace: text(row, "namespace"),
    name: text(row, "name"),
    state: stateOf(row),
    work: commandWork.parse(json(row, "work")),
    terms: commandTerms.parse(json(row, "terms")),
    bootID: optionalText(row, "boot_id"),
    startedAt: optionalText(row, "started_at"),
  };
}

/** What the controller is told about a run. */
export function reportFrom(row: SqlRow): RunReport {
  const state = reportedState(stateOf(row));
  const startedAt = optionalText(row, "started_at");
  const result = resultFrom(row);
  return {
    namespace: text(row, "namespace"),
    name: text(row, "name"),
    uid: text(row, "uid"),
    runID: text(row, "run_id"),
    generation: integer(row, "generation"),
    declared: integer(row, "declared"),
    revision: text(row, "revision"),
    state,
    adopted: integer(row, "adopted") === 1,
    acceptedAt: text(row, "accepted_at"),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(result === undefined ? {} : { result }),
  };
}

export function resultFrom(row: SqlRow): RunResult | undefined {
  return optionalText(row, "result") === undefined
    ? undefined
    : runResult.parse(json(row, "result"));
}

/** A run that is about to be forked is not said to run. */
export function reportedState(state: RunState): RunReport["state"] {
  return state === "Starting" ? "Accepted" : state;
}

export function stateOf(row: SqlRow): RunState {
  const state = text(row, "state");
  switch (state) {
    case "Accepted":
    case "Starting":
    case "Running":
    case "Finished":
      return state;
    default:
      throw new TypeError(`the ledger has a run in state ${JSON.stringify(state)}`);
  }
}

export function text(row: SqlRow, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new TypeError(`the ledger has no text in ${column}`);
  return value;
}

export function optionalText(row: SqlRow, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

export function integer(row: SqlRow, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new TypeError(`the ledger has no integer in ${column}`);
  return value;
}

function json(row: SqlRow, column: string): unknown {
  return JSON.parse(text(row, column));
}

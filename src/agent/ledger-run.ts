import type { SQLOutputValue } from "node:sqlite";
import {
  commandTerms,
  commandWork,
  type CommandTerms,
  type CommandWork,
} from "../protocol/command.ts";
import { runResult, type RunReport, type RunResult } from "../protocol/run.ts";
import { WITHDRAWALS, type EndCause } from "./run-end.ts";

/** One row as SQLite gives it. */
export type SqlRow = Record<string, SQLOutputValue>;

/**
 * How far a run has come. `Starting` is committed before the fork of an attempt and `Running` after it: one
 * that is found Starting after a crash may or may not have begun. A run that waits for its next attempt is
 * Accepted again.
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
  /** How often it was started, or may have been. */
  readonly attempts: number;
  /** The boot of the latest attempt; undefined before the first. */
  readonly bootID: string | undefined;
  /** When the latest attempt was committed to, on the monotonic clock of that boot, in milliseconds. */
  readonly startingAt: number | undefined;
  /** When the latest attempt was started, in the controller's time. */
  readonly startedAt: string | undefined;
  /** The next attempt is not to be started before this moment of the controller's time. */
  readonly notBefore: string | undefined;
  /** How the attempt before ended, if there was one. */
  readonly lastEnd: RunResult | undefined;
  /** It is under way and was withdrawn: it is to be ended for this, by whoever finds it. */
  readonly ending: EndCause | undefined;
}

/** The secrets of a run, sealed to this node, and the context without which they do not open. */
export interface SealedBox {
  readonly box: string;
  readonly context: string;
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
    attempts: number(row, "attempts"),
    bootID: optionalText(row, "boot_id"),
    startingAt: optionalNumber(row, "starting_at"),
    startedAt: optionalText(row, "started_at"),
    notBefore: optionalText(row, "not_before"),
    lastEnd: resultIn(row, "last_end"),
    ending: endingOf(row),
  };
}

function endingOf(row: SqlRow): EndCause | undefined {
  const wanted = optionalText(row, "ending");
  return WITHDRAWALS.find(({ reason }) => reason === wanted);
}

/** What the controller is told about a run. */
export function reportFrom(row: SqlRow): RunReport {
  const state = reportedState(stateOf(row));
  const startedAt = optionalText(row, "first_started_at");
  const result = resultFrom(row);
  return {
    namespace: text(row, "namespace"),
    name: text(row, "name"),
    uid: text(row, "uid"),
    runID: text(row, "run_id"),
    generation: number(row, "generation"),
    declared: number(row, "declared"),
    epoch: number(row, "epoch"),
    revision: text(row, "revision"),
    rerun: text(row, "rerun"),
    state,
    attempts: number(row, "attempts"),
    adopted: number(row, "adopted") === 1,
    acceptedAt: text(row, "accepted_at"),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(result === undefined ? {} : { result }),
  };
}

export function resultFrom(row: SqlRow): RunResult | undefined {
  return resultIn(row, "result");
}

function resultIn(row: SqlRow, column: "result" | "last_end"): RunResult | undefined {
  return optionalText(row, column) === undefined ? undefined : runResult.parse(json(row, column));
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

export function number(row: SqlRow, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new TypeError(`the ledger has no number in ${column}`);
  return value;
}

function optionalNumber(row: SqlRow, column: string): number | undefined {
  return row[column] === null ? undefined : number(row, column);
}

function json(row: SqlRow, column: string): unknown {
  return JSON.parse(text(row, column));
}

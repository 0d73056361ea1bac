import type { DatabaseSync } from "node:sqlite";
import { MAX_HELLO_RUNS, type Hello } from "../protocol/hello.ts";
import type { RunReport } from "../protocol/run.ts";
import type { History, Row, RunFacts } from "./decision.ts";
import {
  number,
  openRunFrom,
  optionalText,
  reportedState,
  reportFrom,
  resultFrom,
  stateOf,
  text,
  type OpenRun,
  type SealedBox,
  type SqlRow,
} from "./ledger-run.ts";
import { LedgerStatements } from "./ledger-statements.ts";

/** Every read of the ledger's tables: nothing here changes anything. */
export class LedgerQueries {
  protected readonly statements: LedgerStatements;

  constructor(db: DatabaseSync) {
    this.statements = new LedgerStatements(db);
  }

  meta(key: "ledgerID" | "clusterID" | "clock"): string | undefined {
    const row = this.statements.of("SELECT value FROM meta WHERE key = ?").get(key);
    return row === undefined ? undefined : text(row, "value");
  }

  /** How far the controller's time is ahead of the monotonic clock of this boot, if that was ever known. */
  clockOf(bootID: string): number | undefined {
    const kept = this.meta("clock");
    const [boot, offset] = kept?.split(" ") ?? [];
    return boot === bootID ? Number(offset) : undefined;
  }

  /** How many runs were ever taken on. It only grows, whatever is forgotten. */
  counter(): number {
    const sql = "SELECT seq FROM sqlite_sequence WHERE name = 'runs'";
    const row = this.statements.of(sql).get();
    return row === undefined ? 0 : number(row, "seq");
  }

  /** What `decide` needs to know of a namespace and name. */
  history(namespace: string, name: string): History {
    const row = this.statements
      .of("SELECT run_id, last_ran FROM resources WHERE namespace = ? AND name = ?")
      .get(namespace, name);
    const retired = this.statements
      .of("SELECT uid FROM retired WHERE namespace = ? AND name = ?")
      .all(namespace, name)
      .map((entry) => text(entry, "uid"));
    return { row: row === undefined ? undefined : this.#rowFrom(row), retired };
  }

  report(runID: string): RunReport {
    return reportFrom(this.row(runID));
  }

  /** The run with its work; undefined once it is finished, or forgotten. */
  openRun(runID: string): OpenRun | undefined {
    const sql = "SELECT * FROM runs WHERE run_id = ? AND state <> 'Finished'";
    const row = this.statements.of(sql).get(runID);
    return row === undefined ? undefined : openRunFrom(row);
  }

  /** Undefined for a run that has no secrets, or is finished. */
  sealed(runID: string): SealedBox | undefined {
    const sql = "SELECT box, context FROM sealed_inputs WHERE run_id = ?";
    const row = this.statements.of(sql).get(runID);
    return row === undefined ? undefined : { box: text(row, "box"), context: text(row, "context") };
  }

  /** All runs that are not over, the oldest first. */
  openRuns(): OpenRun[] {
    return this.statements
      .of("SELECT * FROM runs WHERE state <> 'Finished' ORDER BY seq")
      .all()
      .map(openRunFrom);
  }

  /** The ids of the finished runs whose result the controller has not confirmed, the oldest first. */
  resultsWithoutReceipt(): string[] {
    return this.statements
      .of("SELECT run_id FROM runs WHERE receipted = 0 AND state = 'Finished' ORDER BY seq")
      .all()
      .map((row) => text(row, "run_id"));
  }

  /** False for a run that waits for no receipt, is not finished, or is forgotten. */
  owesResult(runID: string): boolean {
    const sql = "SELECT 1 FROM runs WHERE run_id = ? AND receipted = 0 AND state = 'Finished'";
    return this.statements.of(sql).get(runID) !== undefined;
  }

  /** What a hello says of the runs without a receipt. */
  helloRuns(): Pick<Hello, "runs" | "runsWithoutReceipt"> {
    const runs = this.statements
      .of("SELECT name, uid, run_id, state FROM runs WHERE receipted = 0 ORDER BY seq LIMIT ?")
      .all(MAX_HELLO_RUNS);
    return {
      runs: runs.map((row) => ({
        name: text(row, "name"),
        uid: text(row, "uid"),
        runID: text(row, "run_id"),
        state: reportedState(stateOf(row)),
      })),
      runsWithoutReceipt: this.runsWithoutReceipt(),
    };
  }

  runsWithoutReceipt(): number {
    const sql = "SELECT count(*) AS count FROM runs WHERE receipted = 0";
    return number(this.statements.of(sql).get() ?? {}, "count");
  }

  protected row(runID: string): SqlRow {
    const row = this.statements.of("SELECT * FROM runs WHERE run_id = ?").get(runID);
    if (row === undefined) throw new RangeError(`the ledger has no run ${runID}`);
    return row;
  }

  #rowFrom(resource: SqlRow): Row {
    const run = this.row(text(resource, "run_id"));
    const lastRan = optionalText(resource, "last_ran");
    return {
      uid: text(run, "uid"),
      epoch: number(run, "epoch"),
      generation: number(run, "generation"),
      run: factsFrom(run),
      lastRan: lastRan === undefined ? undefined : factsFrom(this.row(lastRan)),
    };
  }
}

function factsFrom(row: SqlRow): RunFacts {
  const result = resultFrom(row);
  const mayHaveStarted =
    result === undefined
      ? stateOf(row) !== "Accepted" || number(row, "attempts") > 0
      : result.started !== "False";
  return {
    runID: text(row, "run_id"),
    revision: text(row, "revision"),
    rerun: text(row, "rerun"),
    finished: result !== undefined,
    mayHaveStarted,
  };
}

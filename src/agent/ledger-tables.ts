import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Command } from "../protocol/command.ts";
import { MAX_HELLO_RUNS, type Hello } from "../protocol/hello.ts";
import type { RunReport, RunResult } from "../protocol/run.ts";
import type { Row, RunFacts } from "./decision.ts";
import {
  integer,
  openRunFrom,
  optionalText,
  reportedState,
  reportFrom,
  resultFrom,
  stateOf,
  text,
  type OpenRun,
  type SqlRow,
} from "./ledger-run.ts";

/** So many earlier uids of one name are remembered; a re-creation further back is taken for a new one. */
const MAX_RETIRED = 64;

/** What a receipt was given for: a run as it was reported. */
export type Receipted = Pick<RunReport, "runID" | "uid" | "generation">;

/**
 * Every read and write of the ledger's tables. It opens no transaction: writes are called from within
 * one (see Ledger).
 */
export class LedgerTables {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  meta(key: "ledgerID" | "clusterID"): string | undefined {
    const row = this.#sql("SELECT value FROM meta WHERE key = ?").get(key);
    return row === undefined ? undefined : text(row, "value");
  }

  /** Pins the cluster for good: a later call changes nothing. */
  pinCluster(clusterID: string): void {
    this.#sql("INSERT OR IGNORE INTO meta (key, value) VALUES ('clusterID', ?)").run(clusterID);
  }

  /** What `decide` needs to know of a namespace and name. */
  row(namespace: string, name: string): Row | undefined {
    const row = this.#sql(
      `SELECT current.*, resources.last_ran FROM resources
       JOIN runs AS current ON current.run_id = resources.run_id
       WHERE resources.namespace = ? AND resources.name = ?`,
    ).get(namespace, name);
    if (row === undefined) return undefined;
    const retired = this.#sql("SELECT uid FROM retired WHERE namespace = ? AND name = ?")
      .all(namespace, name)
      .map((entry) => text(entry, "uid"));
    const lastRan = optionalText(row, "last_ran");
    return {
      uid: text(row, "uid"),
      generation: integer(row, "generation"),
      run: factsFrom(row),
      lastRan: lastRan === undefined ? undefined : factsFrom(this.#run(lastRan)),
      retired,
    };
  }

  report(runID: string): RunReport {
    return reportFrom(this.#run(runID));
  }

  /** The run with its work; undefined once it is finished. */
  openRun(runID: string): OpenRun | undefined {
    const row = this.#run(runID);
    return stateOf(row) === "Finished" ? undefined : openRunFrom(row);
  }

  /** All runs that are not over, the oldest first. */
  openRuns(): OpenRun[] {
    return this.#sql("SELECT * FROM runs WHERE state <> 'Finished' ORDER BY seq")
      .all()
      .map(openRunFrom);
  }

  /** The ids of the finished runs whose result the controller has not confirmed, the oldest first. */
  resultsWithoutReceipt(): string[] {
    return this.#sql(
      "SELECT run_id FROM runs WHERE receipted = 0 AND state = 'Finished' ORDER BY seq",
    )
      .all()
      .map((row) => text(row, "run_id"));
  }

  /** False for a run that waits for no receipt, or is not finished. */
  owesResult(runID: string): boolean {
    const sql = "SELECT 1 FROM runs WHERE run_id = ? AND receipted = 0 AND state = 'Finished'";
    return this.#sql(sql).get(runID) !== undefined;
  }

  /** What a hello says of the runs without a receipt. */
  helloRuns(): Pick<Hello, "runs" | "runsWithoutReceipt"> {
    const runs = this.#sql(
      "SELECT name, uid, run_id, state FROM runs WHERE receipted = 0 ORDER BY seq LIMIT ?",
    ).all(MAX_HELLO_RUNS);
    const count = this.#sql("SELECT count(*) AS count FROM runs WHERE receipted = 0").get() ?? {};
    return {
      runs: runs.map((row) => ({
        name: text(row, "name"),
        uid: text(row, "uid"),
        runID: text(row, "run_id"),
        state: reportedState(stateOf(row)),
      })),
      runsWithoutReceipt: integer(count, "count"),
    };
  }

  insertRun(runID: string, command: Command, acceptedAt: string): void {
    this.#sql(
      `INSERT INTO runs (run_id, namespace, name, uid, generation, declared, revision, method, state,
                         work, terms, accepted_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'Accepted', ?, ?, ?)`,
    ).run(
      runID,
      command.namespace,
      command.name,
      command.uid,
      command.generation,
      command.declared,
      command.revision,
      command.work.method,
      JSON.stringify(command.work),
      JSON.stringify(command.terms),
      acceptedAt,
    );
  }

  /** Makes a run the current one of its namespace and name. */
  setCurrent(runID: string, lastRan: string | undefined): void {
    this.#sql(
      `INSERT INTO resources (namespace, name, run_id, last_ran)
       SELECT namespace, name, run_id, ? FROM runs WHERE run_id = ?
       ON CONFLICT DO UPDATE SET run_id = excluded.run_id, last_ran = excluded.last_ran`,
    ).run(lastRan ?? null, runID);
  }

  /**
   * The run takes the generation of the command if that is higher, and while it waits, its terms: what has
   * been started keeps those it was started with.
   */
  renew(runID: string, { generation, terms }: Pick<Command, "generation" | "terms">): void {
    this.#sql(
      `UPDATE runs SET generation = ?, terms = iif(state = 'Accepted', ?, terms)
       WHERE run_id = ? AND generation < ?`,
    ).run(generation, JSON.stringify(terms), runID, generation);
  }

  /** Gives a run to the resource of the command, which is owed its result anew. */
  adopt(runID: string, command: Command): void {
    this.#sql(
      `UPDATE runs SET uid = ?, generation = ?, declared = ?, adopted = 1, receipted = 0,
                       terms = iif(state = 'Accepted', ?, terms)
       WHERE run_id = ?`,
    ).run(command.uid, command.generation, command.declared, JSON.stringify(command.terms), runID);
  }

  retire(namespace: string, name: string, uid: string): void {
    this.#sql("INSERT INTO retired (namespace, name, uid) VALUES (?, ?, ?)").run(
      namespace,
      name,
      uid,
    );
    this.#sql(
      `DELETE FROM retired WHERE namespace = ? AND name = ? AND seq NOT IN
         (SELECT seq FROM retired WHERE namespace = ? AND name = ? ORDER BY seq DESC LIMIT ?)`,
    ).run(namespace, name, namespace, name, MAX_RETIRED);
  }

  markStarting(runID: string, bootID: string): void {
    this.#sql("UPDATE runs SET state = 'Starting', boot_id = ? WHERE run_id = ?").run(
      bootID,
      runID,
    );
  }

  /** Does nothing to a run that is over already. */
  markRunning(runID: string, startedAt: string): void {
    this.#sql(
      "UPDATE runs SET state = 'Running', started_at = ? WHERE run_id = ? AND state = 'Starting'",
    ).run(startedAt, runID);
  }

  /** Records how a run ended and forgets what it was. What is recorded already stays: false then. */
  finish(runID: string, result: RunResult): boolean {
    const { changes } = this.#sql(
      `UPDATE runs SET state = 'Finished', result = ?, work = NULL, terms = NULL
       WHERE run_id = ? AND state <> 'Finished'`,
    ).run(JSON.stringify(result), runID);
    return changes > 0;
  }

  /** Only if the run is still what the receipt was given for: an adopted one is owed another. */
  markReceipted({ runID, uid, generation }: Receipted): void {
    this.#sql("UPDATE runs SET receipted = 1 WHERE run_id = ? AND uid = ? AND generation = ?").run(
      runID,
      uid,
      generation,
    );
  }

  #run(runID: string): SqlRow {
    const row = this.#sql("SELECT * FROM runs WHERE run_id = ?").get(runID);
    if (row === undefined) throw new RangeError(`the ledger has no run ${runID}`);
    return row;
  }

  #sql(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function factsFrom(row: SqlRow): RunFacts {
  const result = resultFrom(row);
  return {
    runID: text(row, "run_id"),
    revision: text(row, "revision"),
    finished: result !== undefined,
    mayHaveStarted: result === undefined ? stateOf(row) !== "Accepted" : result.started !== "False",
  };
}

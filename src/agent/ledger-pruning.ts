import { number, text, type SqlRow } from "./ledger-run.ts";
import type { LedgerStatements } from "./ledger-statements.ts";

/** How much a ledger keeps. */
export interface LedgerLimits {
  /** Runs that are open, or owe the controller a result. */
  readonly runsWithoutReceipt: number;
  /** Rows, those that were used last: as far back reaches what is promised about re-creation. */
  readonly resources: number;
  /** Results with a receipt that still have their output. */
  readonly outputs: number;
  /** Retired uids of all names, the latest. */
  readonly retired: number;
  /** Retired uids of one name, the latest. */
  readonly retiredOfOneName: number;
}

export const DEFAULT_LIMITS: LedgerLimits = {
  runsWithoutReceipt: 10_000,
  resources: 100_000,
  outputs: 1_000,
  retired: 100_000,
  retiredOfOneName: 64,
};

/** What is forgotten at once: little, so that no commit takes long, and more than one run adds. */
const BATCH = 8;

/**
 * Forgets what is beyond the limits, a little with each run that is added.
 *
 * INVARIANTS
 * - A run that is not finished, or has no receipt, stays; so does a row that refers to it.
 * - What a row refers to stays as long as the row.
 */
export class LedgerPruning {
  readonly #statements: LedgerStatements;
  readonly #limits: LedgerLimits;
  /** Counted once: counting 100,000 rows takes longer than a commit may. */
  #resources: number | undefined;
  #calls = 0;

  constructor(statements: LedgerStatements, limits: LedgerLimits) {
    this.#statements = statements;
    this.#limits = limits;
  }

  /** After a run became the current one of a row. */
  prune(rowIsNew: boolean): void {
    if (this.#resources !== undefined && rowIsNew) this.#resources += 1;
    this.#resources ??= this.#count();
    if (this.#resources > this.#limits.resources) {
      for (const row of this.#oldestRows()) this.#dropOrKeep(row);
    }
    // Skipping the outputs that stay takes a while, so it is done for some runs together.
    if (this.#calls % BATCH === 0) this.#dropOutputs();
    this.#calls += 1;
  }

  #dropOutputs(): void {
    this.#statements
      .of(
        `UPDATE runs SET result = json_remove(result, '$.stdout', '$.stderr'), has_output = 0
         WHERE seq IN (SELECT seq FROM runs WHERE receipted = 1 AND has_output = 1
                       ORDER BY seq DESC LIMIT ? OFFSET ?)`,
      )
      .run(2 * BATCH, this.#limits.outputs);
  }

  /** After a uid of that name was retired. */
  pruneRetired(namespace: string, name: string): void {
    this.#statements
      .of(
        `DELETE FROM retired WHERE namespace = ? AND name = ? AND seq NOT IN
           (SELECT seq FROM retired WHERE namespace = ? AND name = ? ORDER BY seq DESC LIMIT ?)`,
      )
      .run(namespace, name, namespace, name, this.#limits.retiredOfOneName);
    this.#statements
      .of(
        `DELETE FROM retired WHERE seq IN
           (SELECT seq FROM retired WHERE seq <= (SELECT max(seq) FROM retired) - ?
            ORDER BY seq LIMIT ?)`,
      )
      .run(this.#limits.retired, BATCH);
  }

  /** A run that no row refers to is only kept until it has its receipt. `row` is one that did. */
  dropUnreferenced(row: SqlRow): void {
    const drop = this.#statements.of(
      `DELETE FROM runs WHERE run_id = ? AND receipted = 1 AND NOT EXISTS
         (SELECT 1 FROM resources
          WHERE resources.namespace = runs.namespace AND resources.name = runs.name
            AND runs.run_id IN (resources.run_id, resources.last_ran, resources.ran_before))`,
    );
    for (const column of ["run_id", "last_ran", "ran_before"]) drop.run(row[column] ?? null);
  }

  #count(): number {
    const sql = "SELECT count(*) AS count FROM resources";
    return number(this.#statements.of(sql).get() ?? {}, "count");
  }

  #oldestRows(): SqlRow[] {
    return this.#statements
      .of(
        `SELECT *, EXISTS (SELECT 1 FROM runs WHERE receipted = 0
                           AND run_id IN (resources.run_id, last_ran, ran_before)) AS owes
         FROM resources ORDER BY used LIMIT ?`,
      )
      .all(BATCH);
  }

  /** One that owes something is in use: it moves to the end of the line. */
  #dropOrKeep(row: SqlRow): void {
    const namespace = text(row, "namespace");
    const name = text(row, "name");
    if (number(row, "owes") === 1) {
      this.#statements
        .of(
          `UPDATE resources SET used = (SELECT max(used) + 1 FROM resources)
           WHERE namespace = ? AND name = ?`,
        )
        .run(namespace, name);
      return;
    }
    if ((this.#resources ?? 0) <= this.#limits.resources) return;
    this.#statements
      .of("DELETE FROM resources WHERE namespace = ? AND name = ?")
      .run(namespace, name);
    this.#resources = (this.#resources ?? 1) - 1;
    this.dropUnreferenced(row);
  }
}

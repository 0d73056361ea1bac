import type { DatabaseSync } from "node:sqlite";
import { aborted } from "../runtime/aborted.ts";
import { GroupCommit } from "./group-commit.ts";
import { ledgerErrorOf } from "./ledger-errors.ts";
import { openLedgerFile } from "./ledger-file.ts";
import { DEFAULT_LIMITS, type LedgerLimits } from "./ledger-pruning.ts";
import type { LedgerQueries } from "./ledger-queries.ts";
import { LedgerTables } from "./ledger-tables.ts";

/**
 * What this node has run, and what it still owes the controller: the one truth on the node. A SQLite
 * file, alone in the agent's use.
 *
 * INVARIANTS
 * - Nothing is done about a write before `commit` has resolved: the ACK leaves after ACCEPTED is on the
 *   disk, the fork comes after STARTING, the result is sent after it is recorded.
 * - A run's result never changes, and is kept until the controller has confirmed it.
 * - The secrets of a run are kept sealed, and are overwritten in all files of the ledger when it is over.
 * - A commit that fails is the last: `watch` throws a FatalError, and so does every later `commit`.
 */
export class Ledger {
  readonly ledgerID: string;
  /** The tables as anybody may read them. */
  readonly read: LedgerQueries;
  readonly #db: DatabaseSync;
  readonly #tables: LedgerTables;
  readonly #commits: GroupCommit;

  private constructor(path: string, db: DatabaseSync, limits?: Partial<LedgerLimits>) {
    this.#db = db;
    this.#tables = new LedgerTables(db, { ...DEFAULT_LIMITS, ...limits });
    this.#commits = new GroupCommit(
      db,
      (thrown) => ledgerErrorOf(path, thrown),
      () => this.#dropWiped(),
    );
    this.read = this.#tables;
    this.ledgerID = this.#tables.meta("ledgerID") ?? "";
  }

  /** Opens the file at `path`, or makes it. Throws a LedgerError. */
  static open(path: string, newID: () => string, limits?: Partial<LedgerLimits>): Ledger {
    return new Ledger(path, openLedgerFile(path, newID), limits);
  }

  /** The cluster that this node belongs to; undefined before the first contact. */
  get clusterID(): string | undefined {
    return this.#tables.meta("clusterID");
  }

  /** True once a commit has failed. */
  get isBroken(): boolean {
    return this.#commits.isBroken;
  }

  async pinCluster(clusterID: string): Promise<void> {
    await this.commit((tables) => tables.pinCluster(clusterID));
  }

  /**
   * Does `write`, synchronously and together with other writes of this moment, in one transaction;
   * resolves when that is on the disk. Rejects with a FatalError if it may not be.
   */
  commit<T>(write: (tables: LedgerTables) => T): Promise<T> {
    return this.#commits.run(() => write(this.#tables));
  }

  /** What was wiped in the file is still in the journal of its changes: that is emptied, too. */
  #dropWiped(): void {
    if (!this.#tables.takeWiped()) return;
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // It goes with a later checkpoint; a disk that is in trouble is told of by the next commit.
    }
  }

  /** Resolves when the signal is aborted; throws the FatalError of a failed commit. */
  async watch(signal: AbortSignal): Promise<void> {
    await Promise.race([aborted(signal), this.#commits.broken]);
  }

  /** Commits what waits and lets go of the file. */
  close(): void {
    this.#commits.close();
    this.#db.close();
  }
}

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { Command } from "../protocol/command.ts";
import type { RunReport, RunResult } from "../protocol/run.ts";
import { DEFAULT_LIMITS, LedgerPruning, type LedgerLimits } from "./ledger-pruning.ts";
import { LedgerQueries } from "./ledger-queries.ts";
import { openRunFrom, text, type RunState, type SealedBox } from "./ledger-run.ts";
import { withdrawn, type EndCause } from "./run-end.ts";

/** What a receipt was given for: a run as it was reported. */
export type Receipted = Pick<RunReport, "runID" | "uid" | "generation">;

/** What the ledger keeps of a command, or of a withdrawal, which has no work. */
export type Declared = Pick<
  Command,
  "namespace" | "name" | "uid" | "epoch" | "generation" | "declared" | "revision" | "rerun"
>;

/** An attempt that is about to be made. */
export interface Attempt {
  readonly bootID: string;
  /** On the monotonic clock of that boot, in milliseconds. */
  readonly startingAt: number;
  /** In the controller's time. */
  readonly startedAt?: string | undefined;
}

/**
 * Every write of the ledger's tables, beside every read. It opens no transaction: writes are called from within
 * one (see Ledger).
 */
export class LedgerTables extends LedgerQueries {
  readonly #pruning: LedgerPruning;
  readonly #limits: LedgerLimits;
  #hasWiped = false;

  constructor(db: DatabaseSync, limits: LedgerLimits = DEFAULT_LIMITS) {
    super(db);
    this.#limits = limits;
    this.#pruning = new LedgerPruning(this.statements, limits);
  }

  /** Pins the cluster for good: a later call changes nothing. */
  pinCluster(clusterID: string): void {
    const sql = "INSERT OR IGNORE INTO meta (key, value) VALUES ('clusterID', :clusterID)";
    this.#run(sql, { clusterID });
  }

  setClock(bootID: string, offset: number): void {
    const sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('clock', :clock)";
    this.#run(sql, { clock: `${bootID} ${offset}` });
  }

  /** As many runs are open, or owe the controller a result, as may: no further one is to be taken on. */
  isFull(): boolean {
    return this.runsWithoutReceipt() >= this.#limits.runsWithoutReceipt;
  }

  /** Takes a run on. */
  insertRun(runID: string, command: Declared & Pick<Command, "work" | "terms">, at: string): void {
    const work = JSON.stringify(command.work);
    const terms = JSON.stringify(command.terms);
    this.#insert(runID, command, { at, state: "Accepted", work, terms, result: null });
  }

  /** Keeps the secrets of a run that was taken on, until it is over. */
  insertSealed(runID: string, { box, context }: SealedBox): void {
    const sql = "INSERT INTO sealed_inputs (run_id, box, context) VALUES (:runID, :box, :context)";
    this.#run(sql, { runID, box, context });
  }

  /** Takes a run on that never starts: nothing of its work was ever here. */
  insertFinished(runID: string, declared: Declared, result: RunResult): void {
    const at = result.finishedAt;
    const rest = { work: null, terms: null, result: JSON.stringify(result) };
    this.#insert(runID, declared, { at, state: "Finished", ...rest });
  }

  /**
   * Makes a run the current one of its namespace and name; `lastRan` is the last before it that started or may
   * have. What is not kept any longer is forgotten with it.
   */
  setCurrent(runID: string, lastRan: string | undefined): void {
    const before = this.statements
      .of(
        `SELECT resources.* FROM resources JOIN runs USING (namespace, name)
         WHERE runs.run_id = ?`,
      )
      .get(runID);
    this.#run(
      `INSERT INTO resources (namespace, name, run_id, last_ran, used)
       SELECT namespace, name, run_id, :lastRan, (SELECT coalesce(max(used), 0) + 1 FROM resources)
       FROM runs WHERE run_id = :runID
       ON CONFLICT (namespace, name) DO UPDATE
       SET run_id = excluded.run_id,
           last_ran = iif(excluded.run_id IS last_ran, ran_before, excluded.last_ran),
           ran_before = CASE excluded.last_ran WHEN run_id THEN last_ran
                                               WHEN last_ran THEN ran_before END,
           used = excluded.used`,
      { runID, lastRan: lastRan ?? null },
    );
    if (before !== undefined) this.#pruning.dropUnreferenced(before);
    this.#pruning.prune(before === undefined);
  }

  /**
   * The run takes epoch and generation of the command if they are higher, and while it waits, its terms:
   * an attempt keeps those that it was started with.
   */
  renew(
    runID: string,
    command: Pick<Command, "epoch" | "generation"> & { readonly terms?: Command["terms"] },
  ): void {
    this.#run(
      `UPDATE runs SET epoch = :epoch, generation = :generation,
                       terms = iif(state = 'Accepted', coalesce(:terms, terms), terms)
       WHERE run_id = :runID AND (epoch, generation) < (:epoch, :generation)`,
      { runID, ...positionOf(command), terms: jsonOf(command.terms) },
    );
  }

  /** Gives a run to the resource of the command, which is owed its result anew. */
  adopt(
    runID: string,
    command: Pick<Command, "uid" | "epoch" | "generation" | "declared"> & {
      readonly terms?: Command["terms"];
    },
  ): void {
    this.#run(
      `UPDATE runs SET uid = :uid, epoch = :epoch, generation = :generation, declared = :declared,
                       adopted = 1, receipted = 0,
                       terms = iif(state = 'Accepted', coalesce(:terms, terms), terms)
       WHERE run_id = :runID`,
      {
        runID,
        uid: command.uid,
        declared: command.declared,
        ...positionOf(command),
        terms: jsonOf(command.terms),
      },
    );
  }

  /** Nothing is run for this uid any more. */
  retire(namespace: string, name: string, uid: string): void {
    this.#run(
      "INSERT OR REPLACE INTO retired (namespace, name, uid) VALUES (:namespace, :name, :uid)",
      { namespace, name, uid },
    );
    this.#pruning.pruneRetired(namespace, name);
  }

  reinstate(namespace: string, name: string, uid: string): void {
    this.#run("DELETE FROM retired WHERE namespace = :namespace AND name = :name AND uid = :uid", {
      namespace,
      name,
      uid,
    });
  }

  /** Before an attempt: from here on it may have started. */
  markStarting(runID: string, { bootID, startingAt, startedAt }: Attempt): void {
    this.#run(
      `UPDATE runs SET state = 'Starting', attempts = attempts + 1, not_before = NULL,
                       boot_id = :bootID, starting_at = :startingAt, started_at = :startedAt
       WHERE run_id = :runID AND state = 'Accepted'`,
      { runID, bootID, startingAt, startedAt: startedAt ?? null },
    );
  }

  /** The attempt under way has begun. Does nothing to one that is over already. */
  markRunning(runID: string, startedAt: string): void {
    this.#run(
      `UPDATE runs SET state = 'Running', started_at = :startedAt,
                       first_started_at = coalesce(first_started_at, :startedAt)
       WHERE run_id = :runID AND state = 'Starting'`,
      { runID, startedAt },
    );
  }

  /**
   * The attempt that was committed to was certainly never made: the run waits as before it. One that was
   * withdrawn meanwhile is finished with that: false then.
   */
  neverStarted(runID: string): boolean {
    const undone = this.#run(
      `UPDATE runs SET attempts = attempts - 1, boot_id = NULL, starting_at = NULL, started_at = NULL,
                       first_started_at = iif(attempts = 1, NULL, first_started_at)
       WHERE run_id = :runID AND state IN ('Starting', 'Running')`,
      { runID },
    );
    return undone && this.#waitAgain(runID);
  }

  /**
   * The attempt under way ended like this, and another may follow. A run that was withdrawn meanwhile is
   * finished with that: false then.
   */
  awaitRetry(runID: string, end: RunResult, notBefore: string): boolean {
    const ended = this.#run(
      `UPDATE runs SET last_end = :end, not_before = :notBefore,
                       first_started_at = coalesce(first_started_at, :startedAt)
       WHERE run_id = :runID AND state IN ('Starting', 'Running')`,
      { runID, end: JSON.stringify(end), notBefore, startedAt: end.startedAt ?? null },
    );
    return ended && this.#waitAgain(runID);
  }

  /** Records how a run ended and forgets what it was. What is recorded already stays: false then. */
  finish(runID: string, result: RunResult): boolean {
    const hasOutput = result.stdout !== undefined || result.stderr !== undefined;
    const isFirst = this.#run(
      `UPDATE runs SET state = 'Finished', result = :result, has_output = :hasOutput,
                       first_started_at = coalesce(first_started_at, :startedAt),
                       work = NULL, terms = NULL, last_end = NULL, not_before = NULL,
                       ending = NULL, ending_at = NULL
       WHERE run_id = :runID AND state <> 'Finished'`,
      {
        runID,
        result: JSON.stringify(result),
        hasOutput: hasOutput ? 1 : 0,
        startedAt: result.startedAt ?? null,
      },
    );
    if (isFirst) this.#wipeSealed(runID);
    if (isFirst && result.started === "False") this.#neverRan(runID);
    return isFirst;
  }

  #wipeSealed(runID: string): void {
    const hadAny = this.#run("DELETE FROM sealed_inputs WHERE run_id = :runID", { runID });
    this.#hasWiped ||= hadAny;
  }

  /** Whether secrets were deleted since this was last called. */
  takeWiped(): boolean {
    const hasWiped = this.#hasWiped;
    this.#hasWiped = false;
    return hasWiped;
  }

  #neverRan(runID: string): void {
    this.#run(
      `UPDATE resources SET last_ran = ran_before, ran_before = NULL
       WHERE (namespace, name) = (SELECT namespace, name FROM runs WHERE run_id = :runID)
         AND last_ran = :runID`,
      { runID },
    );
  }

  /**
   * Somebody wants the run ended. One that waits is finished at `at` and starts no more; one under way is
   * left to whoever runs it, over a restart as well. What is over stays as it is.
   */
  withdraw(runID: string, cause: EndCause, at: string): "finished" | "underWay" | "over" {
    const run = this.openRun(runID);
    if (run === undefined) return "over";
    if (run.state === "Accepted") {
      this.finish(runID, { ...withdrawn(cause, run.lastEnd), finishedAt: at });
      return "finished";
    }
    this.#run(
      `UPDATE runs SET ending = :reason, ending_at = :at WHERE run_id = :runID AND ending IS NULL`,
      { runID, reason: cause.reason, at },
    );
    return "underWay";
  }

  /** Only if the run is still what the receipt was given for: an adopted one is owed another. */
  markReceipted({ runID, uid, generation }: Receipted): void {
    const changed = this.#run(
      `UPDATE runs SET receipted = 1
       WHERE run_id = :runID AND uid = :uid AND generation = :generation AND state = 'Finished'`,
      { runID, uid, generation },
    );
    if (changed) this.#pruning.dropUnreferenced({ run_id: runID });
  }

  /** From under way to waiting, or, if it was withdrawn, to its end. */
  #waitAgain(runID: string): boolean {
    const row = this.row(runID);
    const { ending, lastEnd } = openRunFrom(row);
    if (ending === undefined) {
      return this.#run("UPDATE runs SET state = 'Accepted' WHERE run_id = :runID", { runID });
    }
    const finishedAt = text(row, "ending_at");
    this.finish(runID, { ...withdrawn(ending, lastEnd), finishedAt });
    return false;
  }

  #insert(runID: string, declared: Declared, columns: InsertedColumns): void {
    this.#run(
      `INSERT INTO runs (run_id, namespace, name, uid, epoch, generation, declared, revision, rerun,
                         accepted_at, state, work, terms, result)
       VALUES (:runID, :namespace, :name, :uid, :epoch, :generation, :declared, :revision, :rerun,
               :at, :state, :work, :terms, :result)`,
      {
        runID,
        namespace: declared.namespace,
        name: declared.name,
        uid: declared.uid,
        ...positionOf(declared),
        declared: declared.declared,
        revision: declared.revision,
        rerun: declared.rerun,
        ...columns,
      },
    );
  }

  /** Whether it changed anything. */
  #run(sql: string, parameters: Record<string, SQLInputValue>): boolean {
    return this.statements.of(sql).run(parameters).changes > 0;
  }
}

interface InsertedColumns {
  readonly at: string;
  readonly state: RunState;
  readonly work: string | null;
  readonly terms: string | null;
  readonly result: string | null;
}

function positionOf({ epoch, generation }: Pick<Command, "epoch" | "generation">): {
  readonly epoch: number;
  readonly generation: number;
} {
  return { epoch, generation };
}

function jsonOf(terms: Command["terms"] | undefined): string | null {
  return terms === undefined ? null : JSON.stringify(terms);
}

import type { DatabaseSync } from "node:sqlite";
import { FatalError } from "../runtime/errorkernel.ts";

/** The ledger was closed in good order before this was committed. */
export class LedgerClosedError extends Error {
  override readonly name = "LedgerClosedError";
}

interface Waiting {
  /** Does the work inside the transaction; what it returns is called after the commit. */
  readonly work: () => () => void;
  readonly reject: (thrown: Error) => void;
}

/**
 * One transaction, and so one fsync, for all the work that comes up in one turn of the event loop.
 *
 * INVARIANTS
 * - Work is done in the order in which it came, each seeing what the work before it did.
 * - A promise resolves only after its work is on the disk.
 * - After work that threw, or a commit that failed, nothing is committed any more: whether the disk
 *   has it is then in doubt, and every promise, now and later, is rejected with a FatalError.
 */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #explained: (thrown: unknown) => Error;
  readonly #onCommitted: () => void;
  readonly #broken = Promise.withResolvers<never>();
  #waiting: Waiting[] = [];
  #refusal: FatalError | LedgerClosedError | undefined;

  /** `onCommitted` is called when a group of work is on the disk, and must not throw. */
  constructor(
    db: DatabaseSync,
    explained: (thrown: unknown) => Error,
    onCommitted: () => void = () => undefined,
  ) {
    this.#db = db;
    this.#explained = explained;
    this.#onCommitted = onCommitted;
    // Whether anybody watches for it or not, every caller is told as well.
    this.#broken.promise.catch(() => undefined);
  }

  /** Never resolves; rejects with the FatalError when the ledger does not commit any more. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  get isBroken(): boolean {
    return this.#refusal instanceof FatalError;
  }

  /** `work` runs later in this turn of the event loop, synchronously, and must only touch the database. */
  run<T>(work: () => T): Promise<T> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        work: () => {
          const value = work();
          return () => resolve(value);
        },
        reject,
      });
      if (this.#waiting.length === 1) setImmediate(() => this.#commit());
    });
  }

  /** Commits what waits; what comes later is rejected with a LedgerClosedError. */
  close(): void {
    this.#commit();
    this.#refusal ??= new LedgerClosedError("the ledger is closed");
  }

  #commit(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length === 0) return;
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const settle = group.map(({ work }) => work());
      this.#db.exec("COMMIT");
      for (const resolve of settle) resolve();
      this.#onCommitted();
    } catch (thrown) {
      this.#break(
        new FatalError("the ledger does not commit", { cause: this.#explained(thrown) }),
        group,
      );
    }
  }

  #break(error: FatalError, group: readonly Waiting[]): void {
    this.#refusal = error;
    this.#broken.reject(error);
    for (const { reject } of group) reject(error);
    try {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    } catch {
      // The file is closed without it soon, which comes to the same.
    }
  }
}

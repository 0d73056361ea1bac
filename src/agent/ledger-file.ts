import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { errorMessage } from "../runtime/errors.ts";
import {
  LedgerCorruptError,
  LedgerError,
  LedgerInUseError,
  LedgerTooNewError,
} from "./ledger-errors.ts";
import { LEDGER_SCHEMA, LEDGER_VERSION } from "./ledger-schema.ts";

/** How long to wait for a predecessor that is about to let go of the file. */
const BUSY_TIMEOUT_MS = 1_000;
/** Result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Opens the ledger at `path`, making it, and its folder for the owner alone, if it is not there.
 *
 * GUARANTEES
 * - A commit has reached the disk when it returns (WAL, synchronous=FULL).
 * - Nobody else has the file open for as long as this connection lives.
 * - What is deleted is overwritten in the file.
 *
 * Throws a LedgerError, of the kind that fits, and leaves the file as it was.
 */
export function openLedgerFile(path: string, newID: () => string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw new LedgerError(`the folder of the ledger ${path} cannot be made`, { cause: thrown });
  }
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, {
      timeout: BUSY_TIMEOUT_MS,
      enableForeignKeyConstraints: true,
    });
    prepare(db, path, newID);
    return db;
  } catch (thrown) {
    db?.close();
    throw thrown instanceof LedgerError ? thrown : explained(path, thrown);
  }
}

function prepare(db: DatabaseSync, path: string, newID: () => string): void {
  // Exclusive first: in WAL mode the lock is then taken with the first read, and kept.
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = FULL");
  db.exec("PRAGMA secure_delete = ON");
  const version = Number(firstValue(db, "PRAGMA user_version"));
  if (version > LEDGER_VERSION) {
    throw new LedgerTooNewError(
      `the ledger ${path} has version ${version} and this agent reads up to ${LEDGER_VERSION}: ` +
        "it belongs to a later version of Steward",
    );
  }
  const check = firstValue(db, "PRAGMA quick_check(1)");
  if (check !== "ok") throw corrupt(path, new Error(String(check)));
  db.exec("BEGIN IMMEDIATE");
  if (version === 0) {
    db.exec(LEDGER_SCHEMA);
    db.prepare("INSERT INTO meta (key, value) VALUES ('ledgerID', ?)").run(newID());
    db.exec(`PRAGMA user_version = ${LEDGER_VERSION}`);
  }
  db.exec("COMMIT");
}

function firstValue(db: DatabaseSync, sql: string): unknown {
  const [value] = Object.values(db.prepare(sql).get() ?? {});
  return value;
}

function explained(path: string, thrown: unknown): LedgerError {
  const code = resultCode(thrown);
  if (code === SQLITE_BUSY) {
    return new LedgerInUseError(`the ledger ${path} is in use: another agent runs on it`, {
      cause: thrown,
    });
  }
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return corrupt(path, thrown);
  const text = `the ledger ${path} cannot be opened: ${errorMessage(thrown)}`;
  return new LedgerError(text, { cause: thrown });
}

function corrupt(path: string, thrown: unknown): LedgerCorruptError {
  return new LedgerCorruptError(
    `the ledger ${path} is damaged (${errorMessage(thrown)}): nothing can be run safely on its word. ` +
      "Keep a copy, then remove it to start with an empty one, which forgets what this node has run",
    { cause: thrown },
  );
}

/** The primary result code of an error of SQLite. */
function resultCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("errcode" in thrown)) return undefined;
  return typeof thrown.errcode === "number" ? thrown.errcode & 0xff : undefined;
}

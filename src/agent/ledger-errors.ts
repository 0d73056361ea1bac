import { errorMessage } from "../runtime/errors.ts";

/** The ledger file cannot be used. `message` says why and what a person can do about it. */
export class LedgerError extends Error {
  override readonly name: string = "LedgerError";
}

/** Another agent has the file. */
export class LedgerInUseError extends LedgerError {
  override readonly name = "LedgerInUseError";
}

/** A later version of Steward wrote it. */
export class LedgerTooNewError extends LedgerError {
  override readonly name = "LedgerTooNewError";
}

/** It is no ledger, or a damaged one. Nothing is run on its word. */
export class LedgerCorruptError extends LedgerError {
  override readonly name = "LedgerCorruptError";
}

/** The agent may not write where its ledger is. */
export class LedgerReadOnlyError extends LedgerError {
  override readonly name = "LedgerReadOnlyError";
}

/** Others may put something else in the place of the agent's files. */
export class LedgerExposedError extends LedgerError {
  override readonly name = "LedgerExposedError";
}

/** The disk has no room for it. */
class LedgerFullError extends LedgerError {
  override readonly name = "LedgerFullError";
}

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE_ERROR = 1;
const SQLITE_PERM = 3;
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

/** What SQLite threw about the ledger at `path`, in words that a person can act on. */
export function ledgerErrorOf(path: string, thrown: unknown): LedgerError {
  if (thrown instanceof LedgerError) return thrown;
  switch (resultCode(thrown)) {
    case SQLITE_BUSY:
      return new LedgerInUseError(`the ledger ${path} is in use: another agent runs on it`, {
        cause: thrown,
      });
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return damaged(path, thrown);
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return readOnly(path, thrown);
    case SQLITE_FULL:
      return new LedgerFullError(
        `the disk of the ledger ${path} is full (${errorMessage(thrown)}): make room there, then ` +
          "start the agent again. Nothing is lost, and nothing was started that is not recorded",
        { cause: thrown },
      );
    case SQLITE_IOERR:
      return new LedgerError(
        `the ledger ${path} cannot be read or written (${errorMessage(thrown)}): look at the disk ` +
          "and its free space, then start the agent again",
        { cause: thrown },
      );
    default:
      return new LedgerError(`the ledger ${path} cannot be used: ${errorMessage(thrown)}`, {
        cause: thrown,
      });
  }
}

/** The same while it is opened: then a statement that does not fit it says that it is no ledger. */
export function openingErrorOf(path: string, thrown: unknown): LedgerError {
  return resultCode(thrown) === SQLITE_ERROR ? damaged(path, thrown) : ledgerErrorOf(path, thrown);
}

export function damaged(path: string, thrown: unknown): LedgerCorruptError {
  return new LedgerCorruptError(
    `the ledger ${path} is damaged (${errorMessage(thrown)}): nothing can be run safely on its word. ` +
      "Keep a copy, with the -wal file beside it, then remove both to start with an empty one, which " +
      "forgets what this node has run",
    { cause: thrown },
  );
}

export function readOnly(path: string, thrown: unknown): LedgerReadOnlyError {
  return new LedgerReadOnlyError(
    `the ledger ${path} cannot be written (${errorMessage(thrown)}): the agent's user must own it, the ` +
      "files beside it and their folder, and the disk must not be mounted read-only",
    { cause: thrown },
  );
}

export function exposed(folder: string): LedgerExposedError {
  return new LedgerExposedError(
    `others may write to ${folder}, out of which the agent has its ledger and what it executes: look what is in there, ` +
      "make it the agent's user's by chown, and then chmod go-w it",
  );
}

/** 0 for what SQLite did not throw. */
function resultCode(thrown: unknown): number {
  if (!(thrown instanceof Error) || !("errcode" in thrown)) return 0;
  return typeof thrown.errcode === "number" ? thrown.errcode & 0xff : 0;
}

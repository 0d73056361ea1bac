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

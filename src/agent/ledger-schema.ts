/** Kept in the file's user_version. A file of a later version is refused, never guessed at. */
export const LEDGER_VERSION = 1;

/**
 * The tables of the ledger.
 *
 * - `meta`: `ledgerID`, made with the file, and `clusterID`, pinned at first contact.
 * - `runs`: every run that this node took on. `seq` is the order in which they came. What may hold
 *   secrets (`work`) goes when the run is finished; `receipted` is 1 once the controller has the result.
 * - `resources`: a row per namespace and name. Its uid and generation are those of its current run.
 *   `last_ran` is the last run before that one that started or may have.
 * - `retired`: the uids that had a row before, the latest last.
 */
export const LEDGER_SCHEMA = `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    generation INTEGER NOT NULL,
    declared INTEGER NOT NULL,
    revision TEXT NOT NULL,
    method TEXT NOT NULL,
    adopted INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('Accepted', 'Starting', 'Running', 'Finished')),
    work TEXT,
    terms TEXT,
    accepted_at TEXT NOT NULL,
    boot_id TEXT,
    started_at TEXT,
    result TEXT,
    receipted INTEGER NOT NULL DEFAULT 0,
    CHECK ((state = 'Finished') = (result IS NOT NULL)),
    CHECK ((state = 'Finished') = (work IS NULL AND terms IS NULL))
  ) STRICT;
  CREATE INDEX runs_unfinished ON runs (seq) WHERE state <> 'Finished';
  CREATE INDEX runs_without_receipt ON runs (seq) WHERE receipted = 0;

  CREATE TABLE resources (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    last_ran TEXT REFERENCES runs (run_id),
    PRIMARY KEY (namespace, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE retired (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    UNIQUE (namespace, name, uid),
    FOREIGN KEY (namespace, name) REFERENCES resources (namespace, name)
  ) STRICT;
`;

/**
 * The tables of the ledger. `sum` is a checksum over all of the row: what lies for years on a memory card
 * and is then executed must not have changed by itself.
 *
 * - `meta`: `ledgerID`, made with the file; `clusterID`, pinned at first contact; `clock`, the controller's
 *   time as the monotonic clock of one boot tells it.
 * - `runs`: every run that this node took on. `seq` is the order in which they came, and is never used
 *   twice. What is to be run (`work`) goes when the run is finished; `receipted` is 1 once the controller
 *   has the result. `first_started_at` is of the first attempt, `boot_id`, `starting_at` and `started_at` of
 *   the latest; `not_before` and `last_end` are there while a run waits for its next attempt (`last_end` also
 *   while that is under way); `ending` is the reason why a run under way is to be ended, asked for
 *   at `ending_at`. A run is kept while it has no receipt, and while a row refers to it.
 * - `resources`: a row per namespace and name. Its uid, epoch and generation are those of its current run.
 *   `last_ran` is the last run before that one that started or may have; if it turns out that it did not,
 *   `ran_before` takes its place. `used` orders the rows by their last use.
 * - `retired`: the uids for which nothing is run any more, the latest last, whether their name has a row
 *   or not.
 */
const TABLES_OF_VERSION_1 = `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    sum INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    declared INTEGER NOT NULL,
    revision TEXT NOT NULL,
    rerun TEXT NOT NULL,
    adopted INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('Accepted', 'Starting', 'Running', 'Finished')),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    work TEXT,
    terms TEXT,
    accepted_at TEXT NOT NULL,
    boot_id TEXT,
    starting_at REAL,
    first_started_at TEXT,
    started_at TEXT,
    not_before TEXT,
    last_end TEXT,
    ending TEXT,
    ending_at TEXT,
    result TEXT,
    has_output INTEGER NOT NULL DEFAULT 0,
    receipted INTEGER NOT NULL DEFAULT 0,
    sum INTEGER,
    CHECK ((state = 'Finished') = (result IS NOT NULL)),
    CHECK ((state = 'Finished') = (work IS NULL AND terms IS NULL)),
    CHECK (state <> 'Finished' OR (last_end IS NULL AND ending IS NULL AND not_before IS NULL)),
    CHECK (ending IS NULL OR state <> 'Accepted')
  ) STRICT;
  CREATE INDEX runs_unfinished ON runs (seq) WHERE state <> 'Finished';
  CREATE INDEX runs_without_receipt ON runs (seq) WHERE receipted = 0;
  CREATE INDEX runs_with_output ON runs (seq) WHERE receipted = 1 AND has_output = 1;

  CREATE TABLE resources (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    run_id TEXT NOT NULL,
    last_ran TEXT,
    ran_before TEXT,
    used INTEGER NOT NULL UNIQUE,
    sum INTEGER,
    PRIMARY KEY (namespace, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE retired (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    sum INTEGER,
    UNIQUE (namespace, name, uid)
  ) STRICT;
`;

/**
 * `sealed_inputs`: the secrets of runs that are not finished, sealed as they came, and the context that they were
 * sealed in, which stays the same if the run is given to another resource.
 */
const TABLES_OF_VERSION_2 = `
  CREATE TABLE sealed_inputs (
    run_id TEXT PRIMARY KEY NOT NULL,
    box TEXT NOT NULL,
    context TEXT NOT NULL,
    sum INTEGER
  ) STRICT;
`;

/** SQL function: the checksum of a text. The connection has to provide it. */
export const SUM_FUNCTION = "text_sum";

/** What a version has in addition to the one before it. */
interface Addition {
  readonly tables: string;
  /** By table, its key and its other columns. */
  readonly summed: Readonly<Record<string, readonly [key: string, others: string]>>;
}

const ADDITIONS: readonly Addition[] = [
  {
    tables: TABLES_OF_VERSION_1,
    summed: {
      meta: ["key", "value"],
      runs: [
        "seq",
        `run_id, namespace, name, uid, epoch, generation, declared, revision, rerun, adopted, state, attempts,
     work, terms, accepted_at, boot_id, starting_at, first_started_at, started_at, not_before, last_end,
     ending, ending_at, result, has_output, receipted`,
      ],
      resources: ["namespace, name", "run_id, last_ran, ran_before, used"],
      retired: ["seq", "namespace, name, uid"],
    },
  },
  { tables: TABLES_OF_VERSION_2, summed: { sealed_inputs: ["run_id", "box, context"] } },
];

/**
 * Kept in the file's user_version. A file of an earlier version is given what it misses; one of a later version is
 * refused, never guessed at.
 */
export const LEDGER_VERSION = ADDITIONS.length;

/** Makes of a file of version `from`, 0 for an empty one, one of version `to`. */
export function schemaSQL(from: number, to: number): string {
  const added = ADDITIONS.slice(from, to);
  return added.flatMap(({ tables, summed }) => [tables, ...sumsOf(summed, sumTriggers)]).join("");
}

/** Gives the tables of a version that have a row which is not what was written. */
export function wrongSumsQuery(version: number): string {
  const added = ADDITIONS.slice(0, version);
  return added.flatMap(({ summed }) => sumsOf(summed, wrongSums)).join(" UNION ");
}

interface Sum {
  readonly table: string;
  readonly key: string;
  /** The expression of the checksum of a row. */
  readonly sum: string;
}

function sumsOf(summed: Addition["summed"], sql: (sum: Sum) => string): string[] {
  return Object.entries(summed).map(([table, [key, others]]) =>
    sql({ table, key, sum: `${SUM_FUNCTION}(json_array(${key}, ${others}))` }),
  );
}

function sumTriggers({ table, key, sum }: Sum): string {
  const ofNew = key.replaceAll(/\w+/g, "new.$&");
  const refresh = (after: string): string => `
  CREATE TRIGGER ${table}_${after.toLowerCase()}_sum AFTER ${after} ON ${table} BEGIN
    UPDATE ${table} SET sum = ${sum} WHERE (${key}) = (${ofNew});
  END;`;
  return refresh("INSERT") + refresh("UPDATE");
}

function wrongSums({ table, sum }: Sum): string {
  return `SELECT '${table}' AS wrong FROM ${table} WHERE sum IS NOT ${sum}`;
}

/** Gives what makes a file a ledger of its version, and leaves out what somebody added. */
export const SCHEMA_QUERY = `
  SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'index') OR name LIKE '%\\_sum' ESCAPE '\\'
  ORDER BY name`;

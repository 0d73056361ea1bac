import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  statSync,
  writeFileSync,
  type Stats,
} from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isDeepStrictEqual } from "node:util";
import { crc32 } from "node:zlib";
import { SUPERUSER } from "./account.ts";
import {
  damaged,
  exposed,
  LedgerError,
  LedgerTooNewError,
  openingErrorOf,
  readOnly,
} from "./ledger-errors.ts";
import {
  LEDGER_VERSION,
  schemaSQL,
  SCHEMA_QUERY,
  SUM_FUNCTION,
  wrongSumsQuery,
} from "./ledger-schema.ts";

/** How long to wait for a predecessor that is about to let go of the file. */
const BUSY_TIMEOUT_MS = 1_000;
/** SQLite takes a file without one whole page for an empty one. */
const SMALLEST_PAGE = 512;
/** The name by which SQLite has no file. */
const IN_MEMORY = ":memory:";
const OF_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Opens the ledger at `path`, making it, and its folder for the owner alone, if it is not there.
 *
 * GUARANTEES
 * - A commit has reached the disk when it returns (WAL, synchronous=FULL).
 * - Nobody else has the file open for as long as this connection lives.
 * - What is deleted is overwritten in the file.
 * - Its files are for the owner alone. A folder that others may write to is refused: what the agent executes lies
 *   beside them.
 * - A file that was cut short or changed, to a bit of any row, is refused.
 *
 * NOT GUARANTEED: after a crash the commits since the last checkpoint are in the -wal file beside it. Whoever
 * removes that file, or puts an earlier copy in place, takes the ledger back in time. Only the controller
 * sees that, by the number of runs that the ledger has taken on.
 *
 * Throws a LedgerError, of the kind that fits, and leaves the file as it was.
 */
export function openLedgerFile(path: string, newID: () => string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
    if (path !== IN_MEMORY) keepFromOthers(path);
  } catch (thrown) {
    throw thrown instanceof LedgerError ? thrown : readOnly(path, thrown);
  }
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > 0 && size < SMALLEST_PAGE) throw damaged(path, new Error(`${size} bytes are left`));
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    prepare(db, path, newID);
    return db;
  } catch (thrown) {
    db?.close();
    throw openingErrorOf(path, thrown);
  }
}

/** SQLite gives the files beside it the mode of the first. One that exists is not opened: that would drop its locks. */
function keepFromOthers(path: string): void {
  const folder = dirname(path);
  if (isWritableByOthers(statSync(folder))) throw exposed(folder);
  if (!existsSync(path)) writeFileSync(path, "", { mode: 0o600, flag: "wx" });
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & OF_OTHERS) !== 0) chmodSync(file, mode & ~OF_OTHERS);
  }
}

function isWritableByOthers({ uid, mode }: Stats): boolean {
  const isOwn = uid === SUPERUSER || uid === process.getuid?.();
  return !isOwn || (mode & WRITABLE_BY_OTHERS) !== 0;
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
        "it belongs to a later version of Steward, which is to be installed again",
    );
  }
  const check = firstValue(db, "PRAGMA integrity_check(1)");
  if (check !== "ok") throw damaged(path, new Error(String(check)));
  db.function(SUM_FUNCTION, { deterministic: true }, (text) => crc32(String(text)));
  // Takes the lock for good, and shows whether the file can be written.
  db.exec("BEGIN IMMEDIATE");
  const isEmpty = db.prepare(SCHEMA_QUERY).all().length === 0;
  if (!isEmpty) checkContent(db, path, version);
  complete(db, isEmpty ? 0 : version, newID);
  db.exec("COMMIT");
}

/** From an earlier version, 0 if there is nothing yet, to this one. */
function complete(db: DatabaseSync, version: number, newID: () => string): void {
  if (version === LEDGER_VERSION) return;
  db.exec(schemaSQL(version, LEDGER_VERSION));
  if (version === 0) {
    db.prepare("INSERT INTO meta (key, value) VALUES ('ledgerID', ?)").run(newID());
  }
  db.exec(`PRAGMA user_version = ${LEDGER_VERSION}`);
}

/** Whether it is a ledger at all, made by this version or an earlier one, and has what was written. */
function checkContent(db: DatabaseSync, path: string, version: number): void {
  const model = new DatabaseSync(":memory:");
  model.exec(schemaSQL(0, version));
  const wanted = model.prepare(SCHEMA_QUERY).all();
  model.close();
  if (version < 1 || !isDeepStrictEqual(db.prepare(SCHEMA_QUERY).all(), wanted)) {
    throw damaged(path, new Error("its tables are not those of a ledger"));
  }
  if (db.prepare("SELECT 1 FROM meta WHERE key = 'ledgerID'").get() === undefined) {
    throw damaged(path, new Error("it has no id"));
  }
  const wrong = db.prepare(wrongSumsQuery(version)).get();
  if (wrong !== undefined) {
    throw damaged(path, new Error(`a row of ${String(wrong["wrong"])} is not what was written`));
  }
}

function firstValue(db: DatabaseSync, sql: string): unknown {
  const [value] = Object.values(db.prepare(sql).get() ?? {});
  return value;
}

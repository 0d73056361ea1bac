import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LedgerCorruptError, LedgerTooNewError } from "../../../src/agent/ledger-errors.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import { takeCommand } from "../../../src/agent/take-command.ts";
import { command, revision } from "../../unit/agent/controller-side.ts";
import { World } from "./world.ts";

const NOW = "2026-11-24T06:00:00.000Z";
const BOOT = "b0b0b0b0-0000-4000-8000-000000000001";
const RUNS = 40;
/** So many of them are in the file itself when the agent is killed, the rest in the -wal file. */
const CHECKPOINTED = 25;
const result = { outcome: "Failed", started: "True", finishedAt: NOW, reason: "M", message: "" };

let written: Written;
beforeAll(async () => {
  written = await writtenLedger();
});

let world: World;
beforeEach(() => {
  world = new World();
  mkdirSync(world.dataDir);
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

interface Written {
  /** The ledger as it was closed. */
  readonly whole: Uint8Array;
  readonly content: Record<string, unknown[]>;
  /** The same as its agent would have left it, had that been killed before. */
  readonly main: Uint8Array;
  readonly wal: Uint8Array;
}

/** A ledger to which runs in all states were committed, one after the other. */
async function writtenLedger(): Promise<Written> {
  await using place = new World();
  const first = place.openLedger();
  await commitRuns(first, 0, CHECKPOINTED);
  first.close();
  const ledger = place.openLedger();
  await commitRuns(ledger, CHECKPOINTED, RUNS);
  const main = readFileSync(place.ledgerPath);
  const wal = readFileSync(`${place.ledgerPath}-wal`);
  ledger.close();
  expect(existsSync(`${place.ledgerPath}-wal`)).toBe(false);
  const whole = readFileSync(place.ledgerPath);
  return { whole, content: contentOf(place.ledgerPath), main, wal };
}

async function commitRuns(ledger: Ledger, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index += 1) {
    const runID = randomUUID();
    const offer = command({
      name: `task-${index % 30}`,
      generation: index + 1,
      declared: index + 1,
      revision: revision(`${index}`),
    });
    await ledger.commit((tables) => {
      takeCommand(tables, { command: offer, runID, at: NOW, rejection: undefined });
      if (index % 3 > 0) tables.markStarting(runID, { bootID: BOOT, startingAt: index });
      if (index % 3 > 1) tables.finish(runID, { ...result, outcome: "Failed", started: "True" });
    });
  }
}

/** Everything that the file has, by table. */
function contentOf(path: string): Record<string, unknown[]> {
  const db = new DatabaseSync(path);
  const tables = ["meta", "runs", "resources", "retired"];
  const content = tables.map((name) => [name, db.prepare(`SELECT * FROM ${name}`).all()] as const);
  db.close();
  return Object.fromEntries(content);
}

function runIDs(content: Record<string, unknown[]>): unknown[] {
  return (content["runs"] ?? []).map((row) => (row as { run_id: unknown }).run_id);
}

/** Puts these bytes in the place of the ledger and opens that: what it has, or the error. */
function opened(bytes: Uint8Array, wal?: Uint8Array): Record<string, unknown[]> | Error {
  for (const end of ["", "-wal", "-shm"]) rmSync(`${world.ledgerPath}${end}`, { force: true });
  writeFileSync(world.ledgerPath, bytes);
  if (wal !== undefined) writeFileSync(`${world.ledgerPath}-wal`, wal);
  try {
    Ledger.open(world.ledgerPath, randomUUID).close();
    return contentOf(world.ledgerPath);
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
}

function withBitFlipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const index = at % bytes.length;
  changed[index] = (changed[index] ?? 0) ^ (1 << bit);
  return changed;
}

const flip = fc.record({ at: fc.nat(), bit: fc.nat(7) });

describe("a ledger that was closed", () => {
  test("is refused wherever it is cut short", () => {
    for (let length = 1; length < written.whole.length; length += 509) {
      expect(opened(written.whole.subarray(0, length)), `${length}`).toBeInstanceOf(
        LedgerCorruptError,
      );
    }
  });

  test("is another one if nothing of it is left", () => {
    const fresh = opened(written.whole.subarray(0, 0));
    expect(fresh).toMatchObject({ runs: [], resources: [], retired: [] });
    expect(fresh).not.toMatchObject({ meta: written.content["meta"] });
  });

  test("is refused or has all that it had, whichever bit flips", () => {
    fc.assert(
      fc.property(flip, ({ at, bit }) => {
        const got = opened(withBitFlipped(written.whole, at, bit));
        if (got instanceof LedgerCorruptError || got instanceof LedgerTooNewError) return;
        expect(got).toEqual(written.content);
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ["what is to be run", "UPDATE runs SET work = replace(work, 'true', 'fals') WHERE seq = 1"],
    ["a revision", "UPDATE runs SET revision = revision || '0' WHERE seq = 7"],
    ["whose row it is", "UPDATE resources SET run_id = 'another' WHERE name = 'task-3'"],
    ["the ledger's id", "UPDATE meta SET value = 'another' WHERE key = 'ledgerID'"],
  ])("is refused if somebody else changed %s", (_, sql) => {
    writeFileSync(world.ledgerPath, written.whole);
    const db = new DatabaseSync(world.ledgerPath);
    db.function("text_sum", (_text) => 0);
    db.exec(sql);
    db.close();
    const path = world.ledgerPath;
    expect(() => Ledger.open(path, randomUUID)).toThrow(/is damaged .* is not what was written/);
  });

  test.each([
    ["of another program", "DROP TABLE retired"],
    ["that lost its version", "PRAGMA user_version = 0"],
    ["that lost its id", "DELETE FROM meta"],
  ])("is not taken for one if it is a file %s", (_, sql) => {
    writeFileSync(world.ledgerPath, written.whole);
    const db = new DatabaseSync(world.ledgerPath);
    db.exec(sql);
    db.close();
    expect(() => Ledger.open(world.ledgerPath, randomUUID)).toThrow(LedgerCorruptError);
  });
});

/** The first runs in their order: what the ledger had at some earlier moment. */
function expectEarlier(got: Record<string, unknown[]> | Error): void {
  if (got instanceof LedgerCorruptError) return;
  if (got instanceof Error) throw got;
  const kept = runIDs(got);
  expect(kept).toEqual(runIDs(written.content).slice(0, kept.length));
}

describe("a ledger whose agent was killed", () => {
  test("has all that was committed", () => {
    expect(opened(written.main, written.wal)).toEqual(written.content);
  });

  test("is as it was at some earlier moment wherever its -wal file is cut short", () => {
    for (let length = 0; length < written.wal.length; length += 4_001) {
      expectEarlier(opened(written.main, written.wal.subarray(0, length)));
    }
  });

  test("is as it was at some earlier moment, or is refused, whichever bit of it flips", () => {
    fc.assert(
      fc.property(flip, ({ at, bit }) =>
        expectEarlier(opened(written.main, withBitFlipped(written.wal, at, bit))),
      ),
      { numRuns: 100 },
    );
  });

  test("is back in time without its -wal file, which only its counter shows", () => {
    const got = opened(written.main);
    expectEarlier(got);
    expect(got).toMatchObject({ meta: written.content["meta"] });
    const ledger = Ledger.open(world.ledgerPath, randomUUID);
    expect(ledger.read.counter()).toBe(CHECKPOINTED);
    ledger.close();
  });
});

const CHILD = fileURLToPath(new URL("./ledger-child.ts", import.meta.url));

interface Told {
  readonly kind: string;
  readonly message: string;
  readonly isBroken: boolean;
  readonly committed: string[];
  readonly tried: string[];
  readonly kept: string[];
}

/** Runs the child; `wrapper` is a script that gets its command line as arguments, after the path. */
function child(what: "open" | "fill", wrapper = 'shift; exec "$@"'): Told {
  const line = [process.execPath, CHILD, what, world.ledgerPath];
  const { stdout, stderr } = spawnSync("sh", ["-c", wrapper, "sh", world.dataDir, ...line], {
    encoding: "utf8",
  });
  expect(stdout, stderr).not.toBe("");
  return JSON.parse(stdout);
}

describe("a ledger that cannot be written is refused when", () => {
  beforeEach(() => {
    world.openLedger().close();
    chmodSync(world.dir, 0o755);
  });

  test("its file is read-only", () => {
    chmodSync(world.dataDir, 0o777);
    chmodSync(world.ledgerPath, 0o444);
    const { kind, message } = child("open");
    expect(kind).toBe("LedgerReadOnlyError");
    expect(message).toContain(`the ledger ${world.ledgerPath} cannot be written`);
    expect(message).toContain("the agent's user must own it");
  });

  test("its folder is read-only", () => {
    chmodSync(world.ledgerPath, 0o666);
    chmodSync(world.dataDir, 0o555);
    expect(child("open").kind).toBe("LedgerReadOnlyError");
  });

  test("it is not there and its folder is read-only", () => {
    rmSync(world.ledgerPath);
    chmodSync(world.dataDir, 0o555);
    expect(child("open").kind).toBe("LedgerReadOnlyError");
  });

  test("it may not even be read", () => {
    chmodSync(world.dataDir, 0o777);
    chmodSync(world.ledgerPath, 0o000);
    expect(child("open").kind).toBe("LedgerReadOnlyError");
  });

  test("it is a folder", () => {
    rmSync(world.ledgerPath);
    mkdirSync(world.ledgerPath);
    expect(child("open").kind).toBe("LedgerReadOnlyError");
  });
});

/** A small disk of its own where that may be mounted, else a limit on the size of files. */
const SMALL_DISK =
  spawnSync("sh", ["-c", "unshare -rm true"]).status === 0
    ? `exec unshare -rm sh -c 'mount -t tmpfs -o size=1m,mode=700 none "$1" && shift && exec "$@"' sh "$@"`
    : `shift; trap '' XFSZ; ulimit -f 1024; exec "$@"`;

describe("a ledger whose disk fills up", () => {
  test.each([
    ["stops committing, says what to do, and has what it had committed", SMALL_DISK],
    ["does so at the limit of a file's size", `shift; trap '' XFSZ; ulimit -f 1024; exec "$@"`],
  ])("%s", (_, wrapper) => {
    const { kind, message, isBroken, committed, tried, kept } = child("fill", wrapper);
    expect(kind).toMatch(/^Ledger(Full)?Error$/);
    expect(message).toContain("the ledger does not commit: ");
    expect(message).toMatch(/then start the agent again/);
    expect(isBroken).toBe(true);
    expect(committed.length).toBeGreaterThan(5);
    expect(kept.slice(0, committed.length)).toEqual(committed);
    expect(tried).toEqual(expect.arrayContaining(kept));
  });
});

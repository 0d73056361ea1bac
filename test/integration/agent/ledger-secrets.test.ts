import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LedgerCorruptError } from "../../../src/agent/ledger-errors.ts";
import { schemaSQL } from "../../../src/agent/ledger-schema.ts";
import { takeCommand } from "../../../src/agent/take-command.ts";
import type { Ledger } from "../../../src/agent/ledger.ts";
import { withSealed } from "../../support/sealed-command.ts";
import { command } from "../../unit/agent/controller-side.ts";
import { World } from "./world.ts";

const NOW = "2026-11-24T06:00:00.000Z";
const FINISHED = {
  outcome: "Succeeded",
  started: "True",
  finishedAt: NOW,
  reason: "Completed",
  message: "",
} as const;

let world: World;
beforeEach(() => {
  world = new World();
  mkdirSync(world.dataDir);
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

describe("a ledger of the first version", () => {
  test("had these tables, which are not to change any more", () => {
    const digest = createHash("sha256").update(schemaSQL(0, 1)).digest("hex");
    expect(digest).toBe("26d4955fcb385fa42dfa1391ebc6372adcd7f6b915a771bcbe8c443e7e39792c");
  });

  test("is taken on with all that it has", async () => {
    const ledgerID = randomUUID();
    const runID = randomUUID();
    firstVersion(ledgerID, runID).close();
    const ledger = world.openLedger();
    expect(ledger.ledgerID).toBe(ledgerID);
    expect(ledger.read.openRun(runID)).toMatchObject({ name: "task", state: "Accepted" });
    const sealed = { box: "AAAA", context: "C" };
    await ledger.commit((tables) => tables.insertSealed(runID, sealed));
    ledger.close();
    const again = world.openLedger();
    expect(again.read.sealed(runID)).toEqual(sealed);
    again.close();
  });

  test("is refused as it is, if it is damaged", () => {
    const db = firstVersion(randomUUID(), randomUUID());
    db.function("text_sum", (_text) => 0);
    db.exec("UPDATE runs SET revision = 'another'");
    db.close();
    const before = readFileSync(world.ledgerPath);
    expect(() => world.openLedger()).toThrow(LedgerCorruptError);
    expect(readFileSync(world.ledgerPath)).toEqual(before);
  });
});

/** A ledger as the first version of the agent left it, with one run. */
function firstVersion(ledgerID: string, runID: string): DatabaseSync {
  const db = new DatabaseSync(world.ledgerPath);
  db.function("text_sum", (text) => crc32(String(text)));
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(schemaSQL(0, 1));
  db.prepare("INSERT INTO meta (key, value) VALUES ('ledgerID', ?)").run(ledgerID);
  const { uid, revision, work, terms } = command();
  db.prepare(
    `INSERT INTO runs (run_id, namespace, name, uid, epoch, generation, declared, revision, rerun,
                       accepted_at, state, work, terms)
     VALUES (?, 'default', 'task', ?, 0, 1, 1, ?, '', ?, 'Accepted', ?, ?)`,
  ).run(runID, uid, revision, NOW, JSON.stringify(work), JSON.stringify(terms));
  db.exec("PRAGMA user_version = 1");
  return db;
}

/** Takes on a command with secrets, larger than a page of the file; gives its run and its box. */
async function taken(ledger: Ledger): Promise<{ runID: string; box: string }> {
  const runID = randomUUID();
  const sent = withSealed(command(), { stdin: { value: "correct-horse".repeat(2_000) } });
  await ledger.commit((tables) =>
    takeCommand(tables, { command: sent, runID, at: NOW, rejection: undefined }),
  );
  return { runID, box: sent.sealed ?? "" };
}

test("secrets are in the ledger sealed only, and when the run is over in no file of it at all", async () => {
  const ledger = world.openLedger();
  const { runID, box } = await taken(ledger);
  // Of a text that is longer than a page each page has its own piece.
  const pieces = Array.from({ length: 10 }, (_, index) => box.slice(index * 3_000).slice(0, 40));
  const found = (): string[] => {
    const files = ["", "-wal"].map((end) => readFileSync(world.ledgerPath + end, "latin1")).join();
    expect(files).not.toContain("correct-horse");
    return pieces.filter((piece) => files.includes(piece));
  };
  expect(found()).toEqual(pieces);
  await ledger.commit((tables) => tables.finish(runID, FINISHED));
  expect(found()).toEqual([]);
  ledger.close();
});

test("secrets that were checkpointed into the file are overwritten in it", async () => {
  const first = world.openLedger();
  const { runID, box } = await taken(first);
  first.close();
  expect(readFileSync(world.ledgerPath, "latin1")).toContain(box.slice(0, 40));
  const ledger = world.openLedger();
  await ledger.commit((tables) => tables.finish(runID, FINISHED));
  const files = ["", "-wal"].map((end) => readFileSync(world.ledgerPath + end, "latin1")).join();
  for (let at = 0; at + 40 < box.length; at += 512)
    expect(files).not.toContain(box.slice(at, at + 40));
  ledger.close();
});

test.each(["box", "context"])(
  "a ledger is refused if somebody changed the %s of a run",
  async (column) => {
    const ledger = world.openLedger();
    await taken(ledger);
    ledger.close();
    const db = new DatabaseSync(world.ledgerPath);
    db.function("text_sum", (_text) => 0);
    db.exec(`UPDATE sealed_inputs SET ${column} = 'another'`);
    db.close();
    expect(() => world.openLedger()).toThrow(/a row of sealed_inputs is not what was written/);
  },
);

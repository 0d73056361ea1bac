import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openLedgerFile } from "../../../src/agent/ledger-file.ts";
import { DEFAULT_LIMITS, type LedgerLimits } from "../../../src/agent/ledger-pruning.ts";
import { LedgerTables } from "../../../src/agent/ledger-tables.ts";
import { takeCommand, takeDeletion } from "../../../src/agent/take-command.ts";
import type { Command } from "../../../src/protocol/command.ts";
import type { RunResult } from "../../../src/protocol/run.ts";
import { command, deletion, revision } from "./controller-side.ts";

const NOW = "2026-11-24T06:00:00.000Z";
const FIRST = "aaaaaaaa-0000-4000-8000-000000000001";
const SECOND = "aaaaaaaa-0000-4000-8000-000000000002";

let db: DatabaseSync;
let tables: LedgerTables;
beforeEach(() => {
  db = openLedgerFile(":memory:", randomUUID);
});
afterEach(() => db.close());

function limit(limits: Partial<LedgerLimits>): void {
  tables = new LedgerTables(db, { ...DEFAULT_LIMITS, ...limits });
}

function take(offer: Partial<Command> = {}): string {
  const runID = randomUUID();
  takeCommand(tables, { command: command(offer), runID, at: NOW, rejection: undefined });
  return runID;
}

const stdout = { text: "out", bytes: 3, sha256: "0".repeat(64), truncated: false };

function finish(runID: string, started: RunResult["started"] = "True"): void {
  const result = { outcome: "Failed", started, finishedAt: NOW, reason: "Made", message: "" };
  tables.finish(runID, { ...result, outcome: "Failed", stdout, stderr: stdout });
}

/** A run of that name that is over and has its receipt. */
function settled(name: string, offer: Partial<Command> = {}): string {
  const runID = take({ name, ...offer });
  finish(runID);
  tables.markReceipted(tables.report(runID));
  return runID;
}

/** Runs that come and do nothing: outputs go with every eighth. */
function takeEight(): void {
  for (let index = 0; index < 8; index += 1) take({ name: `later-${index}` });
}

/** The names of the rows, those used last last. */
function names(): unknown[] {
  const rows = db.prepare("SELECT name FROM resources ORDER BY used").all();
  return rows.map(({ name }) => name);
}

function keptRuns(): number {
  return db.prepare("SELECT run_id FROM runs").all().length;
}

describe("rows beyond the limit", () => {
  test("go, those that were not used for the longest time first, with their runs", () => {
    limit({ resources: 3 });
    for (const name of ["a", "b", "c"]) settled(name);
    settled("a", { generation: 2, declared: 2, revision: revision("b") });
    settled("d");
    settled("e");
    expect(names()).toEqual(["a", "d", "e"]);
    expect(keptRuns()).toBe(4);
    expect(tables.history("default", "b").row).toBeUndefined();
    expect(tables.history("default", "a").row?.lastRan?.revision).toBe(revision("a"));
  });

  test("stay while a run of theirs is open or owes a result", () => {
    limit({ resources: 1 });
    const open = take({ name: "open" });
    const owing = take({ name: "owing" });
    finish(owing);
    const ranBefore = take({ name: "before" });
    finish(ranBefore);
    const after = take({ name: "before", generation: 2, declared: 2, revision: revision("b") });
    finish(after);
    tables.markReceipted(tables.report(after));
    for (let index = 0; index < 30; index += 1) settled(`more-${index}`);
    expect(names()).toEqual(expect.arrayContaining(["before", "open", "owing"]));
    expect(tables.openRun(open)?.state).toBe("Accepted");
    expect(tables.owesResult(owing)).toBe(true);
    expect(tables.history("default", "before").row?.lastRan?.runID).toBe(ranBefore);
  });

  test("go once their results have their receipts", () => {
    limit({ resources: 2 });
    const owing = Array.from({ length: 20 }, (_, index) => take({ name: `owing-${index}` }));
    for (const runID of owing) finish(runID);
    expect(names()).toHaveLength(20);
    for (const runID of owing) tables.markReceipted(tables.report(runID));
    for (let index = 0; index < 5; index += 1) settled(`more-${index}`);
    expect(names()).toEqual(["more-3", "more-4"]);
    expect(keptRuns()).toBe(2);
  });

  test("are counted in a ledger that was there before", () => {
    limit({ resources: 10 });
    for (let index = 0; index < 10; index += 1) settled(`task-${index}`);
    limit({ resources: 4 });
    settled("last");
    settled("very-last");
    expect(names()).toHaveLength(4);
  });

  test("are a few at a time", () => {
    limit({});
    for (let index = 0; index < 40; index += 1) settled(`task-${index}`);
    limit({ resources: 1 });
    settled("one");
    expect(names()).toHaveLength(41 - 8);
  });

  test("never include the one whose run comes", () => {
    limit({ resources: 1 });
    const ran = settled("a");
    settled("b");
    limit({ resources: 1 });
    settled("a", { generation: 2, declared: 2, revision: revision("b") });
    settled("b", { uid: SECOND, takesOver: FIRST });
    expect(names()).toEqual(["b"]);
    expect(tables.owesResult(ran)).toBe(false);
  });
});

describe("a run that its row refers to no more", () => {
  test("goes with its receipt, or at once if it has that", () => {
    limit({});
    const first = take();
    finish(first);
    const second = take({ generation: 2, declared: 2, revision: revision("b") });
    finish(second);
    const third = take({ generation: 3, declared: 3, revision: revision("c") });
    expect(keptRuns()).toBe(3);
    tables.markReceipted(tables.report(first));
    finish(third);
    take({ generation: 4, declared: 4, revision: revision("d") });
    expect(tables.history("default", "task").row?.lastRan?.runID).toBe(third);
    expect(tables.owesResult(second)).toBe(true);
    expect(tables.openRun(first)).toBeUndefined();
    tables.markReceipted(tables.report(second));
    expect(tables.report(second).runID).toBe(second);
    take({ generation: 5, declared: 5, revision: revision("e") });
    expect(keptRuns()).toBe(4);
  });

  test("does not make the ledger count anew", () => {
    limit({ resources: 1 });
    for (let index = 0; index < 5; index += 1) settled(`task-${index}`);
    expect(tables.counter()).toBe(5);
    expect(new LedgerTables(db).counter()).toBe(5);
  });
});

describe("output beyond the limit", () => {
  test("goes, the oldest first, and leaves the outcome", () => {
    limit({ outputs: 2 });
    const runs = ["a", "b", "c", "d"].map((name) => settled(name));
    takeEight();
    const withOutput = runs.map((runID) => tables.report(runID).result?.stdout !== undefined);
    expect(withOutput).toEqual([false, false, true, true]);
    expect(tables.report(runs[0] ?? "").result).toEqual({
      outcome: "Failed",
      started: "True",
      finishedAt: NOW,
      reason: "Made",
      message: "",
    });
  });

  test("stays until the result has its receipt", () => {
    limit({ outputs: 0 });
    const owing = take({ name: "owing" });
    finish(owing);
    settled("a");
    takeEight();
    expect(tables.report(owing).result?.stdout).toEqual(stdout);
    expect(tables.report(owing).result?.stderr).toEqual(stdout);
  });

  test("is not there for who adopts the run, and the outcome is", () => {
    limit({ outputs: 0 });
    const runID = settled("a");
    takeEight();
    take({ name: "a", uid: SECOND, takesOver: FIRST });
    expect(tables.report(runID)).toMatchObject({ uid: SECOND, adopted: true, state: "Finished" });
    expect(tables.report(runID).result).not.toHaveProperty("stdout");
    expect(tables.owesResult(runID)).toBe(true);
  });
});

describe("retired uids beyond the limit go, the oldest first,", () => {
  test("of one name", () => {
    limit({ retiredOfOneName: 3 });
    const uids = Array.from({ length: 5 }, () => randomUUID());
    tables.retire("default", "other", FIRST);
    for (const uid of uids) tables.retire("default", "task", uid);
    expect(new Set(tables.history("default", "task").retired)).toEqual(new Set(uids.slice(2)));
    expect(tables.history("default", "other").retired).toEqual([FIRST]);
  });

  test("of all names", () => {
    limit({ retired: 3 });
    for (let index = 0; index < 6; index += 1) {
      takeDeletion(tables, deletion({ name: `task-${index}` }), NOW);
    }
    const kept = [0, 1, 2, 3, 4, 5].map(
      (index) => tables.history("default", `task-${index}`).retired.length,
    );
    expect(kept).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test("not those that were retired once more since", () => {
    limit({ retiredOfOneName: 2 });
    for (const uid of [FIRST, SECOND, FIRST]) tables.retire("default", "task", uid);
    tables.retire("default", "task", randomUUID());
    expect(tables.history("default", "task").retired).toContain(FIRST);
  });
});

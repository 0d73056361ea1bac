import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openLedgerFile } from "../../../src/agent/ledger-file.ts";
import { LedgerTables } from "../../../src/agent/ledger-tables.ts";
import {
  takeCommand,
  takeDeletion,
  takeWithdrawal,
  type RunWithdrawal,
  type Taken,
} from "../../../src/agent/take-command.ts";
import type { Command } from "../../../src/protocol/command.ts";
import { runReport, type RunResult } from "../../../src/protocol/run.ts";
import { command, deletion, revision, withdrawal } from "./controller-side.ts";

/** One thing that happens to a node: something comes, or one of its runs goes a step further. */
type Step =
  | { readonly kind: "offer" | "withdraw"; readonly offer: Command }
  | { readonly kind: "delete"; readonly uid: string }
  | {
      readonly kind: "start" | "retry" | "neverStarted" | "receipt";
      readonly pick: number;
    }
  | { readonly kind: "finish"; readonly pick: number; readonly started: RunResult["started"] };

const UIDS = [1, 2, 3].map((digit) => `aaaaaaaa-0000-4000-8000-00000000000${digit}`);
/** In the place of a uid: whichever has the row when the offer comes. */
const OWNER = "aaaaaaaa-0000-4000-8000-0000000000ff";
const NOW = "2026-11-24T06:00:00.000Z";
const LATER = "2026-11-24T06:00:01.000Z";

const uid = fc.constantFrom(...UIDS);
const offers = fc
  .record({
    uid,
    takesOver: fc.constantFrom(undefined, OWNER, OWNER, ...UIDS),
    mark: fc.constantFrom("a", "b", "c"),
    rerun: fc.constantFrom("", "", "r1", "r2"),
    epoch: fc.constantFrom(0, 0, 0, 1, 2),
    declared: fc.integer({ min: 1, max: 9 }),
    later: fc.integer({ min: 0, max: 2 }),
    ledgerSince: fc.constantFrom(undefined, undefined, NOW, LATER),
  })
  .map(({ takesOver, mark, declared, later, ledgerSince, ...rest }) =>
    command({
      ...rest,
      declared,
      generation: declared + later,
      revision: revision(mark),
      requestedAt: NOW,
      ...(takesOver === undefined ? {} : { takesOver }),
      ...(ledgerSince === undefined ? {} : { ledgerSince }),
    }),
  );
const pick = fc.nat(50);
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom<"offer" | "withdraw">("offer", "offer", "offer", "withdraw"),
      offer: offers,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant<"delete">("delete"), uid }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom<"start" | "retry" | "neverStarted" | "receipt">(
        "start",
        "start",
        "retry",
        "neverStarted",
        "receipt",
      ),
      pick,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant<"finish">("finish"),
      pick,
      started: fc.constantFrom("True", "False", "Unknown"),
    }),
  },
);

/** What has to be told apart for a run to be another one. */
function identityOf(what: Omit<RunWithdrawal, "scope" | "clusterID" | "node">): string {
  return [what.uid, what.epoch, what.declared, what.revision, what.rerun].join(" ");
}

interface Started {
  readonly runID: string;
  readonly revision: string;
  readonly rerun: string;
}

/** A node that does what the ledger says, and holds that against what it remembers of its own. */
class Node {
  readonly #tables: LedgerTables;
  readonly #name: string;
  readonly #accepted: string[] = [];
  /** Uids that lost the row, or whose resource was deleted. */
  readonly #gone = new Set<string>();
  readonly #withdrawn = new Set<string>();
  readonly #identities = new Map<string, string>();
  /** Those that are known to have started, or may have, in that order. */
  readonly #started: Started[] = [];

  constructor(tables: LedgerTables, name: string) {
    this.#tables = tables;
    this.#name = name;
  }

  do(step: Step): void {
    switch (step.kind) {
      case "offer":
        return this.#offer(this.#addressed(step.offer));
      case "withdraw":
        return this.#withdraw(this.#addressed(step.offer));
      case "delete":
        return this.#delete(step.uid);
      case "start":
        return this.#start(this.#picked(step.pick));
      case "retry":
        return this.#retry(this.#picked(step.pick));
      case "neverStarted":
        return this.#neverStarted(this.#picked(step.pick));
      case "finish":
        return this.#finish(this.#picked(step.pick), step.started);
      case "receipt":
        return this.#receipt(this.#picked(step.pick));
      default:
        return step satisfies never;
    }
  }

  #addressed(offered: Command): Command {
    const owner = this.#tables.history("default", this.#name).row?.uid ?? offered.uid;
    const takesOver = offered.takesOver === OWNER ? { takesOver: owner } : {};
    return { ...offered, ...takesOver, name: this.#name };
  }

  #picked(index: number): string | undefined {
    return this.#accepted[index % Math.max(1, this.#accepted.length)];
  }

  #offer(offered: Command): void {
    const runID = randomUUID();
    this.#take(offered, () =>
      takeCommand(this.#tables, { command: offered, runID, at: NOW, rejection: undefined }),
    );
    if (this.#tables.openRun(runID) !== undefined) {
      this.#accepted.push(runID);
      this.#identities.set(runID, identityOf(offered));
    }
  }

  #withdraw(offered: Command): void {
    const { work: _work, terms: _terms, ...rest } = offered;
    const withdrawn = withdrawal(rest);
    const { ack, starts } = this.#take(withdrawn, () =>
      takeWithdrawal(this.#tables, { withdrawal: withdrawn, runID: randomUUID(), at: NOW }),
    );
    expect(starts).toBeUndefined();
    if (ack.answer !== "known" && ack.answer !== "accepted") return;
    this.#withdrawn.add(ack.run.runID).add(identityOf(withdrawn));
  }

  #delete(gone: string): void {
    const answer = takeDeletion(this.#tables, deletion({ name: this.#name, uid: gone }), NOW);
    this.#gone.add(gone);
    expect(answer.starts).toBeUndefined();
    if (answer.ack.answer === "known") this.#withdrawn.add(answer.ack.run.runID);
    else expect(answer.ack).toEqual({ answer: "absent" });
  }

  /** What holds for commands and withdrawals alike. */
  #take(offered: Command | RunWithdrawal, take: () => Taken): Taken {
    const { row: before } = this.#tables.history("default", this.#name);
    const taken = take();
    const { row: after } = this.#tables.history("default", this.#name);
    const isTakenOver = before !== undefined && before.uid !== after?.uid;
    if (this.#gone.has(offered.uid) && taken.ack.answer === "accepted") {
      expect(offered.epoch).toBeGreaterThan(before?.epoch ?? Number.POSITIVE_INFINITY);
      expect(offered.takesOver).toBe(before?.uid);
      this.#gone.delete(offered.uid);
    } else if (isTakenOver) {
      this.#expectNothingNewOf(offered, taken);
    }
    if (isTakenOver) this.#gone.add(before.uid);
    if (before === undefined && offered.ledgerSince === LATER) {
      expect(["ledgerLost", "superseded"]).toContain(taken.ack.answer);
    }
    return taken;
  }

  /** What ran last does not run again because its resource was created again. */
  #expectNothingNewOf(offered: Command | RunWithdrawal, taken: Taken): void {
    const last = this.#started.at(-1);
    if (last?.revision !== offered.revision) return;
    if (offered.rerun === "" || offered.rerun === last.rerun) {
      expect(taken.ack).toMatchObject({ answer: "known", run: { runID: last.runID } });
    }
  }

  /** Runs of a row go one after the other. */
  #start(runID: string | undefined): void {
    const isFree = this.#accepted.every(
      (other) => other === runID || this.#tables.openRun(other) === undefined,
    );
    if (runID === undefined || !isFree) return;
    if (this.#tables.openRun(runID)?.state !== "Accepted") return;
    const report = this.#tables.report(runID);
    const identity = this.#identities.get(runID) ?? "";
    expect(this.#gone).not.toContain(report.uid);
    expect(this.#withdrawn).not.toContain(runID);
    expect(this.#withdrawn).not.toContain(identity);
    const already = this.#started.find((run) => this.#identities.get(run.runID) === identity);
    expect(already?.runID ?? runID).toBe(runID);
    if (already === undefined) this.#started.push({ ...report });
    this.#tables.markStarting(runID, { bootID: UIDS[0] ?? "", startingAt: 1 });
    expect(this.#tables.report(runID)).toMatchObject({
      state: "Accepted",
      attempts: report.attempts + 1,
    });
  }

  #retry(runID: string | undefined): void {
    const run = runID === undefined ? undefined : this.#tables.openRun(runID);
    if (runID === undefined || run === undefined || run.state === "Accepted") return;
    this.#tables.markRunning(runID, NOW);
    expect(this.#tables.awaitRetry(runID, result("Failed", "True"), LATER)).toBe(
      run.ending === undefined,
    );
    const report = this.#tables.report(runID);
    expect(report.state).toBe(run.ending === undefined ? "Accepted" : "Finished");
    if (run.ending !== undefined) {
      expect(report.result).toMatchObject({ outcome: "Cancelled", started: "True" });
    }
  }

  /** The last start turns out to be none. */
  #neverStarted(runID: string | undefined): void {
    const run = runID === undefined ? undefined : this.#tables.openRun(runID);
    if (runID === undefined || run?.state !== "Starting") return;
    expect(this.#tables.neverStarted(runID)).toBe(run.ending === undefined);
    const { attempts, result: end } = this.#tables.report(runID);
    expect(attempts).toBe(run.attempts - 1);
    if (end !== undefined) expect(end.started).toBe(attempts === 0 ? "False" : "True");
    if (attempts === 0) this.#forgetStart(runID);
  }

  #finish(runID: string | undefined, started: RunResult["started"]): void {
    const state = runID === undefined ? undefined : this.#tables.openRun(runID)?.state;
    if (runID === undefined || state === undefined) return;
    if (state === "Accepted" && this.#tables.report(runID).attempts > 0) return;
    const truth = state === "Accepted" ? "False" : started;
    if (truth === "False" && this.#tables.report(runID).attempts > 1) return;
    this.#tables.finish(runID, result(state === "Accepted" ? "Expired" : "Failed", truth));
    if (truth === "False") this.#forgetStart(runID);
  }

  #forgetStart(runID: string): void {
    const index = this.#started.findIndex((run) => run.runID === runID);
    if (index >= 0) this.#started.splice(index, 1);
  }

  #receipt(runID: string | undefined): void {
    if (runID === undefined || !this.#tables.owesResult(runID)) return;
    this.#tables.markReceipted(this.#tables.report(runID));
  }
}

function result(outcome: RunResult["outcome"], started: RunResult["started"]): RunResult {
  return { outcome, started, finishedAt: NOW, reason: "Made", message: "" };
}

/** That what refers to a run finds it, that no other is kept without need, and that all can be told. */
function expectWholeLedger(db: DatabaseSync, tables: LedgerTables): void {
  const referred = db
    .prepare(
      `SELECT run_id AS id FROM resources UNION SELECT last_ran FROM resources
       UNION SELECT ran_before FROM resources`,
    )
    .all()
    .flatMap(({ id }) => (typeof id === "string" ? [id] : []));
  const kept = db.prepare("SELECT run_id, receipted FROM runs").all();
  const ids = new Set(kept.map(({ run_id }) => run_id));
  expect(referred.filter((id) => !ids.has(id))).toEqual([]);
  for (const { run_id, receipted } of kept) {
    const id = String(run_id);
    if (receipted === 1) expect(referred).toContain(id);
    expect(runReport.parse(tables.report(id)).runID).toBe(id);
  }
  expect(new Set(tables.openRuns().map(({ state, ending }) => ending && state))).not.toContain(
    "Accepted",
  );
}

describe("whatever comes, in whatever order, however often", () => {
  let db: DatabaseSync;
  beforeAll(() => {
    db = openLedgerFile(":memory:", randomUUID);
  });
  afterAll(() => db.close());

  test("nothing starts twice, withdrawn, for a resource that is gone, or because it is there again", () => {
    let nodes = 0;
    fc.assert(
      fc.property(fc.array(steps, { minLength: 1, maxLength: 60, size: "max" }), (sequence) => {
        nodes += 1;
        const tables = new LedgerTables(db);
        db.exec("DELETE FROM runs; DELETE FROM resources; DELETE FROM retired");
        const node = new Node(tables, `task-${nodes}`);
        for (const step of sequence) node.do(step);
        expectWholeLedger(db, tables);
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});

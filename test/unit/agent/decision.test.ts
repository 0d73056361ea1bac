import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import {
  decide,
  type Decision,
  type Offer,
  type Row,
  type RunFacts,
} from "../../../src/agent/decision.ts";
import { openLedgerFile } from "../../../src/agent/ledger-file.ts";
import { LedgerTables } from "../../../src/agent/ledger-tables.ts";
import { takeCommand } from "../../../src/agent/take-command.ts";
import type { Command } from "../../../src/protocol/command.ts";
import type { RunResult } from "../../../src/protocol/run.ts";
import { command, revision } from "./controller-side.ts";

const ended: RunFacts = { runID: "run-a", revision: "a", finished: true, mayHaveStarted: true };
const running: RunFacts = { ...ended, finished: false };
const waiting: RunFacts = { ...running, mayHaveStarted: false };
const neverStarted: RunFacts = { ...ended, mayHaveStarted: false };
const earlier: RunFacts = { ...ended, runID: "run-b", revision: "b" };

function row(overrides: Partial<Row> = {}): Row {
  return {
    uid: "u1",
    generation: 5,
    run: ended,
    lastRan: undefined,
    retired: ["u0"],
    ...overrides,
  };
}

function offer(overrides: Partial<Offer> = {}): Offer {
  return { uid: "u1", generation: 6, declared: 6, revision: "a", ...overrides };
}

interface Case {
  readonly name: string;
  readonly offer: Offer;
  readonly row: Row | undefined;
  readonly want: Decision;
}

const newRun = { kind: "newRun", ends: undefined, retires: undefined } as const;

const cases: Case[] = [
  { name: "nothing is known of this name", offer: offer(), row: undefined, want: newRun },
  {
    name: "nothing is known of this name and it takes over a uid that never came here",
    offer: offer({ takesOver: "u9" }),
    row: undefined,
    want: newRun,
  },
  {
    name: "the uid was retired",
    offer: offer({ uid: "u0" }),
    row: row(),
    want: { kind: "superseded" },
  },
  {
    name: "the uid was retired, even if it says that it takes over",
    offer: offer({ uid: "u0", takesOver: "u1", revision: "c" }),
    row: row(),
    want: { kind: "superseded" },
  },
  {
    name: "it is the current run at a higher generation",
    offer: offer({ generation: 9 }),
    row: row(),
    want: { kind: "known", generation: 9 },
  },
  {
    name: "it is the current run at a lower generation",
    offer: offer({ generation: 2, declared: 1 }),
    row: row(),
    want: { kind: "known", generation: 5 },
  },
  {
    name: "it is the current run, which never started and never will",
    offer: offer(),
    row: row({ run: neverStarted }),
    want: { kind: "known", generation: 6 },
  },
  {
    name: "it was declared before the generation that the row has",
    offer: offer({ revision: "c", declared: 4 }),
    row: row(),
    want: { kind: "nodeIsAhead" },
  },
  {
    name: "it was declared at the very generation that the row has",
    offer: offer({ revision: "c", declared: 5 }),
    row: row(),
    want: { kind: "nodeIsAhead" },
  },
  {
    name: "it is a later revision of a resource whose run is over",
    offer: offer({ revision: "c" }),
    row: row(),
    want: newRun,
  },
  {
    name: "it is a later revision of a resource whose run is not over",
    offer: offer({ revision: "c" }),
    row: row({ run: waiting }),
    want: { kind: "newRun", ends: "run-a", retires: undefined },
  },
  {
    name: "it is what ran before the current run, of the same resource",
    offer: offer({ revision: "b" }),
    row: row({ lastRan: earlier }),
    want: newRun,
  },
  {
    name: "it is of another uid that takes nothing over",
    offer: offer({ uid: "u2" }),
    row: row(),
    want: { kind: "takeoverNeeded" },
  },
  {
    name: "it is of another uid that takes over a third one",
    offer: offer({ uid: "u2", takesOver: "u0" }),
    row: row(),
    want: { kind: "takeoverNeeded" },
  },
  {
    name: "it takes over and is what ran",
    offer: offer({ uid: "u2", takesOver: "u1" }),
    row: row(),
    want: { kind: "adopt", runID: "run-a", ends: undefined, retires: "u1" },
  },
  {
    name: "it takes over and is what runs",
    offer: offer({ uid: "u2", takesOver: "u1" }),
    row: row({ run: running }),
    want: { kind: "adopt", runID: "run-a", ends: undefined, retires: "u1" },
  },
  {
    name: "it takes over and is what waits",
    offer: offer({ uid: "u2", takesOver: "u1" }),
    row: row({ run: waiting, lastRan: earlier }),
    want: { kind: "adopt", runID: "run-a", ends: undefined, retires: "u1" },
  },
  {
    name: "it takes over and is what ran last, before a run that waits",
    offer: offer({ uid: "u2", takesOver: "u1", revision: "b" }),
    row: row({ run: waiting, lastRan: earlier }),
    want: { kind: "adopt", runID: "run-b", ends: "run-a", retires: "u1" },
  },
  {
    name: "it takes over and is what ran before a run that goes on",
    offer: offer({ uid: "u2", takesOver: "u1", revision: "b" }),
    row: row({ run: running, lastRan: earlier }),
    want: { kind: "newRun", ends: "run-a", retires: "u1" },
  },
  {
    name: "it takes over and is the current run, which never started",
    offer: offer({ uid: "u2", takesOver: "u1" }),
    row: row({ run: neverStarted }),
    want: { kind: "newRun", ends: undefined, retires: "u1" },
  },
  {
    name: "it takes over and is what ran last, before a run that never started",
    offer: offer({ uid: "u2", takesOver: "u1", revision: "b" }),
    row: row({ run: neverStarted, lastRan: earlier }),
    want: { kind: "adopt", runID: "run-b", ends: undefined, retires: "u1" },
  },
  {
    name: "it takes over and is what ran before the run that ran last",
    offer: offer({ uid: "u2", takesOver: "u1", revision: "b" }),
    row: row({ lastRan: earlier }),
    want: { kind: "newRun", ends: undefined, retires: "u1" },
  },
  {
    name: "it takes over and is something else, while a run is not over",
    offer: offer({ uid: "u2", takesOver: "u1", revision: "c" }),
    row: row({ run: waiting }),
    want: { kind: "newRun", ends: "run-a", retires: "u1" },
  },
];

describe("the decision when", () => {
  test.each(cases)("$name", (given) => {
    expect(decide(given.offer, given.row)).toEqual(given.want);
  });
});

/** One thing that happens to a node: a command comes, or one of its runs goes a step further. */
type Step =
  | { readonly kind: "offer"; readonly offer: Command }
  | { readonly kind: "start"; readonly pick: number }
  | { readonly kind: "finish"; readonly pick: number; readonly started: RunResult["started"] };

const UIDS = [1, 2, 3, 4].map((digit) => `aaaaaaaa-0000-4000-8000-00000000000${digit}`);
const uid = fc.constantFrom(...UIDS);
const offers = fc
  .record({
    uid,
    takesOver: fc.option(uid, { nil: undefined }),
    mark: fc.constantFrom("a", "b", "c"),
    declared: fc.integer({ min: 1, max: 4 }),
    later: fc.integer({ min: 0, max: 2 }),
  })
  .map(({ takesOver, mark, declared, later, ...rest }) =>
    command({
      ...rest,
      declared,
      generation: declared + later,
      revision: revision(mark),
      ...(takesOver === undefined ? {} : { takesOver }),
    }),
  );
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: offers.map((made) => ({ kind: "offer" as const, offer: made })) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("start" as const), pick: fc.nat(50) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("finish" as const),
      pick: fc.nat(50),
      started: fc.constantFrom("True", "False", "Unknown"),
    }),
  },
);

const NOW = "2026-11-24T06:00:00.000Z";

/** A node that does what the ledger says, and notes what it starts. */
class Node {
  readonly #tables: LedgerTables;
  readonly #name: string;
  readonly #accepted: string[] = [];
  readonly #retired = new Set<string>();
  readonly #started = new Set<string>();
  #lastStarted: string | undefined;

  constructor(tables: LedgerTables, name: string) {
    this.#tables = tables;
    this.#name = name;
  }

  do(step: Step): void {
    if (step.kind === "offer") this.#take({ ...step.offer, name: this.#name });
    else if (step.kind === "start") this.#start(pickFrom(this.#accepted, step.pick));
    else this.#finish(pickFrom(this.#accepted, step.pick), step.started);
  }

  #take(offered: Command): void {
    const before = this.#tables.row("default", this.#name);
    const taken = takeCommand(this.#tables, {
      command: offered,
      runID: randomUUID(),
      at: NOW,
      rejection: undefined,
    });
    const after = this.#tables.row("default", this.#name);
    if (before !== undefined && after !== undefined && before.uid !== after.uid) {
      this.#retired.add(before.uid);
      // What ran last does not run again because its resource was created again.
      if (this.#lastStarted === offered.revision) expect(taken.starts).toBeUndefined();
    }
    if (taken.starts !== undefined) this.#accepted.push(taken.starts);
    if (taken.ends !== undefined) this.#finish(taken.ends, "True");
  }

  #start(runID: string | undefined): void {
    if (runID === undefined || this.#tables.openRun(runID)?.state !== "Accepted") return;
    const { uid: owner, revision: what, declared } = this.#tables.report(runID);
    const run = `${owner} ${what} ${declared}`;
    expect(this.#started).not.toContain(run);
    expect(this.#retired).not.toContain(owner);
    this.#started.add(run);
    this.#lastStarted = what;
    this.#tables.markStarting(runID, UIDS[0] ?? "");
    this.#tables.markRunning(runID, NOW);
  }

  #finish(runID: string | undefined, started: RunResult["started"]): void {
    if (runID === undefined) return;
    const state = this.#tables.openRun(runID)?.state;
    if (state === undefined) return;
    const outcome = state === "Accepted" ? "Expired" : "Failed";
    const truth = state === "Accepted" ? "False" : started === "False" ? "True" : started;
    const result = {
      outcome,
      started: truth,
      finishedAt: NOW,
      reason: "Made",
      message: "",
    } as const;
    this.#tables.finish(runID, result);
  }
}

function pickFrom(runs: readonly string[], pick: number): string | undefined {
  return runs[pick % Math.max(1, runs.length)];
}

describe("what ran last is remembered over", () => {
  const db = openLedgerFile(":memory:", randomUUID);
  const tables = new LedgerTables(db);
  afterAll(() => db.close());
  const [first = "", second = "", third = ""] = UIDS;

  /** Takes a command, and gives the run that is current then. */
  function take(name: string, mark: string, overrides: Partial<Command> = {}): string {
    const offered = command({ name, uid: first, revision: revision(mark), ...overrides });
    const taking = { command: offered, runID: randomUUID(), at: NOW, rejection: undefined };
    takeCommand(tables, taking);
    return tables.row("default", name)?.run.runID ?? "";
  }

  function end(runID: string, started: RunResult["started"]): void {
    const outcome = started === "False" ? "Expired" : "Failed";
    tables.finish(runID, { outcome, started, finishedAt: NOW, reason: "Made", message: "" });
  }

  test("any number of runs that never started", () => {
    const ran = take("never", "a");
    end(ran, "Unknown");
    end(take("never", "b", { generation: 2, declared: 2 }), "False");
    take("never", "c", { generation: 3, declared: 3 });
    end(take("never", "d", { generation: 4, declared: 4 }), "False");
    expect(take("never", "a", { uid: second, takesOver: first })).toBe(ran);
    expect(tables.report(ran)).toMatchObject({ uid: second, adopted: true });
  });

  test("a run that waits, and changes its resource meanwhile", () => {
    const ran = take("waits", "a");
    end(ran, "True");
    const later = take("waits", "b", { generation: 2, declared: 2 });
    expect(take("waits", "b", { uid: second, takesOver: first })).toBe(later);
    expect(take("waits", "a", { uid: third, takesOver: second })).toBe(ran);
    const { result } = tables.report(later);
    expect(result).toMatchObject({ outcome: "Cancelled", started: "False", reason: "Replaced" });
  });
});

describe("whatever comes, in whatever order, however often", () => {
  test("nothing is started twice, for a retired resource, or because it was created again", () => {
    const db = openLedgerFile(":memory:", randomUUID);
    const tables = new LedgerTables(db);
    let nodes = 0;
    fc.assert(
      fc.property(fc.array(steps, { minLength: 1, maxLength: 40 }), (sequence) => {
        nodes += 1;
        const node = new Node(tables, `task-${nodes}`);
        for (const step of sequence) node.do(step);
      }),
      { numRuns: 300 },
    );
    db.close();
  });
});

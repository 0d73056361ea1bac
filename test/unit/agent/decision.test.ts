import { describe, expect, test } from "vitest";
import {
  decide,
  type Decision,
  type History,
  type Offer,
  type Row,
  type RunFacts,
} from "../../../src/agent/decision.ts";

/**
 * DESIGN §4, "Who decides what runs", as data: a table of cases for each line of that table, in its order.
 * ADR 0007 refines the lines on taking over. Whether an envelope is admitted at all (its first line) is in
 * admission.test.ts.
 */

const ended: RunFacts = {
  runID: "run-a",
  revision: "a",
  rerun: "",
  finished: true,
  mayHaveStarted: true,
};
const running: RunFacts = { ...ended, finished: false };
const waiting: RunFacts = { ...running, mayHaveStarted: false };
const neverStarted: RunFacts = { ...ended, mayHaveStarted: false };
const again: RunFacts = { ...ended, rerun: "r1" };
const earlier: RunFacts = { ...ended, runID: "run-b", revision: "b" };
const earlierAgain: RunFacts = { ...earlier, rerun: "r1" };

const ROW: Row = { uid: "u1", epoch: 2, generation: 5, run: ended, lastRan: undefined };

/** The row of u1 in epoch 2 at generation 5, which ran a; u0 was retired. */
function having(row: Partial<Row> = {}, retired: readonly string[] = ["u0"]): History {
  return { row: { ...ROW, ...row }, retired };
}

function noRow(...retired: string[]): History {
  return { row: undefined, retired };
}

function offer(overrides: Partial<Offer> = {}): Offer {
  return {
    uid: "u1",
    epoch: 2,
    generation: 6,
    declared: 6,
    revision: "a",
    rerun: "",
    requestedAt: "2026-11-24T06:00:00.000Z",
    ...overrides,
  };
}

/** An offer of u2, which says that u1 is gone. */
function takeover(overrides: Partial<Offer> = {}): Offer {
  const created = { uid: "u2", epoch: 0, generation: 1, declared: 1, takesOver: "u1" };
  return offer({ ...created, ...overrides });
}

type Case = readonly [name: string, offer: Offer, history: History, want: Decision];

const known: Decision = { kind: "known" };
const superseded: Decision = { kind: "superseded" };
const nodeIsAhead: Decision = { kind: "nodeIsAhead" };
const takeoverNeeded: Decision = { kind: "takeoverNeeded" };
const ledgerLost: Decision = { kind: "ledgerLost" };
function newRun(ends?: string, retires?: string): Decision {
  return { kind: "newRun", ends, retires };
}
function adopts(runID: string, ends?: string): Decision {
  return { kind: "adopt", runID, ends, retires: "u1" };
}

const retiredTakesOver = { uid: "u0", takesOver: "u1" };
const table: Record<string, readonly Case[]> = {
  "uid retired, but epoch above the row's and taking over the row's uid": [
    [
      "its run is over",
      offer({ ...retiredTakesOver, epoch: 3 }),
      having(),
      newRun(undefined, "u1"),
    ],
    [
      "its run is not over",
      offer({ ...retiredTakesOver, epoch: 3, revision: "c" }),
      having({ run: running }),
      newRun("run-a", "u1"),
    ],
    [
      "the generation counts for nothing",
      offer({ ...retiredTakesOver, epoch: 3, generation: 1, declared: 1 }),
      having(),
      newRun(undefined, "u1"),
    ],
    [
      "the row's own uid was retired, because its resource was deleted",
      offer({ epoch: 3, takesOver: "u1" }),
      having({}, ["u0", "u1"]),
      newRun(),
    ],
  ],
  "uid retired": [
    ["it says nothing more", offer({ uid: "u0" }), having(), superseded],
    ["it takes over in the row's epoch", offer(retiredTakesOver), having(), superseded],
    ["its epoch is above the row's", offer({ uid: "u0", epoch: 3 }), having(), superseded],
    [
      "its epoch is above the row's, and it takes over another uid",
      offer({ uid: "u0", epoch: 3, takesOver: "u7" }),
      having(),
      superseded,
    ],
    ["there is no row", offer(), noRow("u1"), superseded],
    ["there is no row, and its epoch is high", offer({ takesOver: "u1" }), noRow("u1"), superseded],
    ["it is the row's own, which was deleted", offer(), having({}, ["u1"]), superseded],
    [
      "it is older than the ledger",
      offer({ ledgerSince: "2026-12-01T00:00:00.000Z" }),
      noRow("u1"),
      superseded,
    ],
  ],
  "same uid, same what": [
    ["at a higher generation", offer({ generation: 9 }), having(), known],
    ["at a lower generation", offer({ generation: 2, declared: 1 }), having(), known],
    ["in a lower epoch", offer({ epoch: 1 }), having(), known],
    ["in a higher epoch", offer({ epoch: 3, generation: 1, declared: 1 }), having(), known],
    ["it waits", offer(), having({ run: waiting }), known],
    ["it never started and never will", offer(), having({ run: neverStarted }), known],
    ["with the same rerun", offer({ rerun: "r1" }), having({ run: again }), known],
    [
      "with the same rerun, at a lower generation",
      offer({ rerun: "r1", generation: 2, declared: 1 }),
      having({ run: again }),
      known,
    ],
    ["its rerun was cleared", offer(), having({ run: again }), known],
    [
      "its rerun is empty, at the row's generation",
      offer({ generation: 5, declared: 1 }),
      having({ run: again }),
      known,
    ],
    [
      "its rerun was cleared in a higher epoch",
      offer({ epoch: 3, generation: 3, declared: 3 }),
      having({ run: again }),
      known,
    ],
  ],
  "same uid, other what, not after the row's": [
    ["declared before", offer({ revision: "c", declared: 4 }), having(), nodeIsAhead],
    [
      "declared at the same generation",
      offer({ revision: "c", declared: 5 }),
      having(),
      nodeIsAhead,
    ],
    ["of a lower epoch", offer({ revision: "c", epoch: 1, declared: 6 }), having(), nodeIsAhead],
    [
      "with another rerun",
      offer({ rerun: "r2", declared: 5 }),
      having({ run: again }),
      nodeIsAhead,
    ],
    [
      "the state from before its rerun was set",
      offer({ generation: 4, declared: 1 }),
      having({ run: again }),
      nodeIsAhead,
    ],
    [
      "the state from before its rerun was set, of a lower epoch",
      offer({ epoch: 1, generation: 9, declared: 1 }),
      having({ run: again }),
      nodeIsAhead,
    ],
  ],
  "same uid, other what": [
    ["the current run is over", offer({ revision: "c" }), having(), newRun()],
    [
      "the current run goes on",
      offer({ revision: "c" }),
      having({ run: running }),
      newRun("run-a"),
    ],
    ["the current run waits", offer({ revision: "c" }), having({ run: waiting }), newRun("run-a")],
    ["only its rerun is new", offer({ rerun: "r1" }), having(), newRun()],
    ["its rerun is another", offer({ rerun: "r2" }), having({ run: again }), newRun()],
    [
      "of a higher epoch, at whatever generation",
      offer({ revision: "c", epoch: 3, generation: 1, declared: 1 }),
      having(),
      newRun(),
    ],
    [
      "it is what ran before the current run",
      offer({ revision: "b" }),
      having({ lastRan: earlier }),
      newRun(),
    ],
  ],
  "other uid, not naming the row's uid as the one it takes over": [
    ["it takes nothing over", offer({ uid: "u2" }), having(), takeoverNeeded],
    ["it takes over a third uid", takeover({ takesOver: "u0" }), having(), takeoverNeeded],
    ["even in a higher epoch", offer({ uid: "u2", epoch: 3 }), having(), takeoverNeeded],
    ["the row's resource was deleted", offer({ uid: "u2" }), having({}, ["u1"]), takeoverNeeded],
  ],
  "other uid, taking over, same what as a row that started or may have": [
    ["it ran", takeover(), having(), adopts("run-a")],
    ["it runs", takeover(), having({ run: running }), adopts("run-a")],
    ["it waits", takeover(), having({ run: waiting, lastRan: earlier }), adopts("run-a")],
    ["the row's resource was deleted", takeover(), having({}, ["u0", "u1"]), adopts("run-a")],
    ["its rerun is the same", takeover({ rerun: "r1" }), having({ run: again }), adopts("run-a")],
    ["it has no rerun any more", takeover(), having({ run: again }), adopts("run-a")],
  ],
  "other uid, taking over, same what as lastRan": [
    [
      "before a run that never started",
      takeover({ revision: "b" }),
      having({ run: neverStarted, lastRan: earlier }),
      adopts("run-b"),
    ],
    [
      "before a run that waits",
      takeover({ revision: "b" }),
      having({ run: waiting, lastRan: earlier }),
      adopts("run-b", "run-a"),
    ],
    [
      "it has no rerun any more",
      takeover({ revision: "b" }),
      having({ run: waiting, lastRan: earlierAgain }),
      adopts("run-b", "run-a"),
    ],
    [
      "an empty rerun would match a run that waits as well",
      takeover(),
      having({ run: { ...waiting, rerun: "r1" }, lastRan: { ...ended, runID: "run-0" } }),
      adopts("run-0", "run-a"),
    ],
    [
      "but not when the rerun of the run that waits is asked for",
      takeover({ rerun: "r1" }),
      having({ run: { ...waiting, rerun: "r1" }, lastRan: { ...ended, runID: "run-0" } }),
      adopts("run-a"),
    ],
  ],
  "other uid, taking over": [
    [
      "it is the current run, which never started",
      takeover(),
      having({ run: neverStarted }),
      newRun(undefined, "u1"),
    ],
    [
      "it is what ran before a run that goes on",
      takeover({ revision: "b" }),
      having({ run: running, lastRan: earlier }),
      newRun("run-a", "u1"),
    ],
    [
      "it is what ran before the run that ran last",
      takeover({ revision: "b" }),
      having({ lastRan: earlier }),
      newRun(undefined, "u1"),
    ],
    [
      "it is something else, while a run waits",
      takeover({ revision: "c" }),
      having({ run: waiting }),
      newRun("run-a", "u1"),
    ],
    ["it has a rerun", takeover({ rerun: "r1" }), having(), newRun(undefined, "u1")],
    [
      "it has a rerun that neither has",
      takeover({ revision: "b", rerun: "r2" }),
      having({ run: neverStarted, lastRan: earlierAgain }),
      newRun(undefined, "u1"),
    ],
  ],
  "no row, requested before this ledger existed, and this is not the node's first": [
    ["long before", offer({ ledgerSince: "2026-11-24T07:00:00.000Z" }), noRow(), ledgerLost],
    ["just before", offer({ ledgerSince: "2026-11-24T06:00:00.001Z" }), noRow(), ledgerLost],
    ["at that moment", offer({ ledgerSince: offer().requestedAt }), noRow(), ledgerLost],
    [
      "although it takes over",
      takeover({ ledgerSince: "2026-11-24T07:00:00.000Z" }),
      noRow("u0"),
      ledgerLost,
    ],
  ],
  "no row": [
    ["it is the node's first ledger", offer(), noRow(), newRun()],
    ["requested later", offer({ ledgerSince: "2026-11-24T05:00:00.000Z" }), noRow(), newRun()],
    ["another uid was retired", offer(), noRow("u0"), newRun()],
    ["it takes over a uid that never came here", takeover(), noRow("u0"), newRun()],
  ],
};

describe.each(Object.entries(table))("%s:", (_, cases) => {
  test.each(cases)("%s", (_name, offered, history, want) => {
    expect(decide(offered, history)).toEqual(want);
  });
});

test("a ledger's age matters only where there is no row", () => {
  const ledgerSince = "2026-12-01T00:00:00.000Z";
  const others = Object.values(table)
    .flat()
    .filter(([, , { row }]) => row !== undefined);
  for (const [name, offered, history, want] of others) {
    expect(decide({ ...offered, ledgerSince }, history), name).toEqual(want);
  }
});

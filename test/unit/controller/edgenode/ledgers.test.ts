import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { EdgeNodeStatus } from "../../../../src/api/v1alpha1/edgenode.ts";
import {
  ledgerStatus,
  rollbackMessage,
  rollbackOf,
  withCounter,
  type LedgerCounters,
} from "../../../../src/controller/edgenode/ledgers.ts";
import type { Hello } from "../../../../src/protocol/hello.ts";

type Said = Pick<Hello, "sessionID" | "ledgerID" | "ledgerCounter">;

const said: fc.Arbitrary<Said> = fc.record({
  sessionID: fc.constantFrom("s1", "s2", "s3"),
  ledgerID: fc.constantFrom("a", "b", "c"),
  ledgerCounter: fc.nat(20),
});

/** What etcd has after each of these was written, over what was there. */
function written(all: readonly Said[]): EdgeNodeStatus {
  let status: EdgeNodeStatus = {};
  for (const [index, each] of all.entries()) {
    const session = { id: each.sessionID, since: "" };
    status = { ...status, ...ledgerStatus(status, each, String(index)), session };
  }
  return status;
}

describe("what an EdgeNode says of its node's ledger", () => {
  test("names a previous one exactly if there ever was another, and never the same", () => {
    fc.assert(
      fc.property(fc.array(said, { minLength: 1 }), (all) => {
        const { ledgerID, previousLedgerID } = written(all);
        const isFirst = new Set(all.map((each) => each.ledgerID)).size === 1;
        expect(previousLedgerID === undefined).toBe(isFirst);
        expect(previousLedgerID).not.toBe(ledgerID);
        expect(ledgerID).toBe(all.at(-1)?.ledgerID);
      }),
    );
  });

  test("dates the ledger from the first that was heard of it without another in between", () => {
    fc.assert(
      fc.property(fc.array(said, { minLength: 1 }), (all) => {
        const { ledgerID, ledgerSince } = written(all);
        const before = all.findLastIndex((each) => each.ledgerID !== ledgerID);
        expect(ledgerSince).toBe(String(before + 1));
      }),
    );
  });

  test("has the counter of the session's beginning", () => {
    fc.assert(
      fc.property(fc.array(said, { minLength: 1 }), (all) => {
        const { ledgerCounter } = written(all);
        const last = all.at(-1);
        const before = all.findLastIndex(
          (each) => each.ledgerID !== last?.ledgerID || each.sessionID !== last.sessionID,
        );
        expect(ledgerCounter).toBe(all[before + 1]?.ledgerCounter);
      }),
    );
  });

  test("of an earlier version of this controller is made whole without another ledger", () => {
    const status = { ledgerID: "a", session: { id: "s1", since: "" } };
    const hello = { sessionID: "s1", ledgerID: "a", ledgerCounter: 3 };
    expect(ledgerStatus(status, hello, "now")).toEqual({
      ledgerID: "a",
      ledgerSince: "now",
      ledgerCounter: 3,
    });
  });
});

function counters(all: readonly Said[]): LedgerCounters {
  return all.reduce<LedgerCounters>(withCounter, new Map());
}

function rollback(all: readonly Said[], status?: EdgeNodeStatus): ReturnType<typeof rollbackOf> {
  const hello = all.at(-1) as Hello;
  return rollbackOf({ hello, ledgerID: hello.ledgerID, counters: counters(all) }, status);
}

describe("a rollback", () => {
  test("is a counter below any that was heard of the same ledger", () => {
    fc.assert(
      fc.property(fc.array(said, { minLength: 1 }), (all) => {
        const last = all.at(-1);
        const same = all.filter(({ ledgerID }) => ledgerID === last?.ledgerID);
        const had = Math.max(...same.map(({ ledgerCounter }) => ledgerCounter));
        const has = last?.ledgerCounter ?? 0;
        expect(rollback(all)).toEqual(has < had ? { has, had } : undefined);
      }),
    );
  });

  test.each([
    ["below what the EdgeNode has", { ledgerID: "a", ledgerCounter: 4 }, { has: 3, had: 4 }],
    ["that the EdgeNode has", { ledgerID: "a", ledgerCounter: 3 }, undefined],
    ["below that of another ledger", { ledgerID: "b", ledgerCounter: 4 }, undefined],
    ["where the EdgeNode has none", { ledgerID: "a" }, undefined],
    ["of an unknown EdgeNode", undefined, undefined],
  ])("judges a counter %s", (_, status, judged) => {
    expect(rollback([{ sessionID: "s", ledgerID: "a", ledgerCounter: 3 }], status)).toEqual(judged);
  });

  test("says nothing of a node that was not heard", () => {
    const assumed = { hello: undefined, ledgerID: "a", counters: new Map() };
    const { hello: _, ...entry } = assumed;
    expect(rollbackOf(entry, { ledgerID: "a", ledgerCounter: 4 })).toBeUndefined();
  });

  test("is remembered of four ledgers of a node, and fits into a reply to a hello", () => {
    const ids = ["a", "b", "c", "d", "e", "b"];
    const all = ids.map((ledgerID) => ({ sessionID: "s", ledgerID, ledgerCounter: 1 }));
    expect([...counters(all).keys()]).toEqual(["c", "d", "e", "b"]);
    const longest = { has: Number.MAX_SAFE_INTEGER, had: Number.MAX_SAFE_INTEGER };
    expect(rollbackMessage(longest).length).toBeLessThan(1_024);
  });
});

import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openLedgerFile } from "../../../src/agent/ledger-file.ts";
import { DEFAULT_LIMITS } from "../../../src/agent/ledger-pruning.ts";
import { LedgerTables } from "../../../src/agent/ledger-tables.ts";
import { CANCELLED, DELETED, REPLACED } from "../../../src/agent/run-end.ts";
import {
  takeCommand,
  takeDeletion,
  takeWithdrawal,
  type RunWithdrawal,
  type Taken,
} from "../../../src/agent/take-command.ts";
import type { Command } from "../../../src/protocol/command.ts";
import type { RunResult } from "../../../src/protocol/run.ts";
import { command, deletion, revision, withdrawal } from "./controller-side.ts";

const NOW = "2026-11-24T06:00:00.000Z";
const LATER = "2026-11-24T06:00:10.000Z";
const BOOT = "b0b0b0b0-0000-4000-8000-000000000001";
const [first = "", second = "", third = ""] = [1, 2, 3].map(
  (digit) => `aaaaaaaa-0000-4000-8000-00000000000${digit}`,
);

const db = openLedgerFile(":memory:", randomUUID);
let tables = new LedgerTables(db);
beforeEach(() => {
  db.exec("DELETE FROM runs; DELETE FROM resources; DELETE FROM retired");
  tables = new LedgerTables(db);
});
afterAll(() => db.close());

interface Marked {
  readonly mark?: string;
  /** Both generation and declared. */
  readonly at?: number;
}

function made<T>({ mark = "a", at = 1, ...rest }: T & Marked): Omit<T, keyof Marked> & {
  revision: string;
  generation: number;
  declared: number;
} {
  return { uid: first, revision: revision(mark), generation: at, declared: at, ...rest };
}

function take(offer: Partial<Command> & Marked = {}): Taken {
  const taken = command(made(offer));
  return takeCommand(tables, {
    command: taken,
    runID: randomUUID(),
    at: NOW,
    rejection: undefined,
  });
}

function withdraw(offer: Partial<RunWithdrawal> & Marked = {}): Taken {
  const taken = withdrawal(made(offer));
  return takeWithdrawal(tables, { withdrawal: taken, runID: randomUUID(), at: LATER });
}

function remove(uid: string): Taken {
  return takeDeletion(tables, deletion({ uid }), LATER);
}

/** Takes a command, and gives the run that is current then. */
function current(offer: Partial<Command> & Marked = {}): string {
  take(offer);
  return tables.history("default", "task").row?.run.runID ?? "";
}

function start(runID: string): void {
  tables.markStarting(runID, { bootID: BOOT, startingAt: 12.5 });
  tables.markRunning(runID, NOW);
}

function end(runID: string, started: RunResult["started"]): void {
  const outcome = started === "False" ? "Expired" : "Failed";
  tables.finish(runID, { outcome, started, finishedAt: NOW, reason: "Made", message: "" });
}

const attemptEnd: RunResult = {
  outcome: "Failed",
  started: "True",
  exitCode: 7,
  startedAt: NOW,
  finishedAt: NOW,
  durationMs: 0,
  reason: "NonZeroExit",
  message: "It exited with 7.",
};

/** A run whose first attempt failed and that waits for the next. */
function paused(offer: Partial<Command> & Marked = {}): string {
  const runID = current(offer);
  start(runID);
  tables.awaitRetry(runID, attemptEnd, LATER);
  return runID;
}

describe("what ran last is remembered over", () => {
  test("any number of runs that never started", () => {
    const ran = current();
    end(ran, "Unknown");
    end(current({ mark: "b", at: 2 }), "False");
    take({ mark: "c", at: 3 });
    end(current({ mark: "d", at: 4 }), "False");
    expect(current({ uid: second, takesOver: first })).toBe(ran);
    expect(tables.report(ran)).toMatchObject({ uid: second, adopted: true });
  });

  test("a run that waits, and changes its resource meanwhile", () => {
    const ran = current();
    end(ran, "True");
    const later = current({ mark: "b", at: 2 });
    expect(current({ mark: "b", uid: second, takesOver: first })).toBe(later);
    expect(current({ uid: third, takesOver: second })).toBe(ran);
    const { result } = tables.report(later);
    expect(result).toMatchObject({ outcome: "Cancelled", started: "False", reason: "Replaced" });
  });

  test("a run that was taken for started when another replaced it, and was not", () => {
    const ran = current();
    end(ran, "True");
    const unborn = current({ mark: "b", at: 2 });
    tables.markStarting(unborn, { bootID: BOOT, startingAt: 1 });
    take({ mark: "c", at: 3 });
    expect(tables.neverStarted(unborn)).toBe(false);
    expect(current({ uid: second, takesOver: first })).toBe(ran);
  });

  test("a withdrawal of what never came", () => {
    const ran = current();
    end(ran, "True");
    withdraw({ mark: "b", at: 2 });
    expect(current({ uid: second, takesOver: first })).toBe(ran);
  });
});

test("a run that was replaced in its pause counts as one that ran", () => {
  const runID = paused();
  const taken = take({ mark: "b", at: 2 });
  expect(taken).toMatchObject({ ends: [{ runID, cause: REPLACED }], due: [runID] });
  expect(tables.report(runID).result).toMatchObject({ ...REPLACED, started: "True", exitCode: 7 });
  expect(current({ uid: second, takesOver: first })).toBe(runID);
});

test("an attempt that was forked and never made leaves no time of a start", () => {
  const runID = current();
  tables.markStarting(runID, { bootID: first, startingAt: 1 });
  tables.markRunning(runID, NOW);
  expect(tables.neverStarted(runID)).toBe(true);
  const { state, attempts, startedAt } = tables.report(runID);
  expect({ state, attempts, startedAt }).toEqual({ state: "Accepted", attempts: 0 });
});

test("a run under way that is replaced gets no further attempt", () => {
  const runID = current();
  start(runID);
  const { starts, ends, due } = take({ mark: "b", at: 2 });
  expect(starts).toBe(tables.history("default", "task").row?.run.runID);
  expect({ ends, due }).toEqual({ ends: [{ runID, cause: REPLACED }], due: [] });
  expect(tables.openRun(runID)?.ending).toEqual(REPLACED);
  expect(tables.awaitRetry(runID, attemptEnd, LATER)).toBe(false);
  expect(tables.report(runID)).toMatchObject({
    state: "Finished",
    result: { ...REPLACED, exitCode: 7 },
  });
});

test("a later withdrawal does not change why a run is ended", () => {
  const runID = current();
  start(runID);
  withdraw();
  remove(first);
  expect(tables.openRun(runID)?.ending).toEqual(CANCELLED);
});

test("what a node cannot do is over at once, and its work is not kept", () => {
  const rejection = { ...attemptEnd, outcome: "Rejected", started: "False" } as const;
  const runID = randomUUID();
  const taken = takeCommand(tables, { command: command(), runID, at: NOW, rejection });
  expect(taken).toMatchObject({ starts: undefined, due: [runID], ack: { answer: "accepted" } });
  expect(tables.report(runID)).toMatchObject({ state: "Finished", attempts: 0, result: rejection });
});

test("a known run takes the higher epoch and generation, and never the rerun", () => {
  const runID = current({ rerun: "r1", at: 3 });
  const expectReport = (epoch: number, generation: number): void =>
    expect(tables.report(runID)).toMatchObject({ epoch, generation, rerun: "r1", declared: 3 });
  take({ at: 5 });
  expectReport(0, 5);
  take({ rerun: "r1", at: 4 });
  expectReport(0, 5);
  take({ at: 2, epoch: 1 });
  expectReport(1, 2);
});

test("a run that is adopted owes its result again, though another resource had it", () => {
  const runID = current();
  end(runID, "True");
  tables.markReceipted({ runID, uid: first, generation: 1 });
  expect(tables.owesResult(runID)).toBe(false);
  take({ uid: second, takesOver: first });
  expect(tables.owesResult(runID)).toBe(true);
});

test("a retired uid that a person brought back is retired no more", () => {
  end(current(), "True");
  end(current({ mark: "b", uid: second, takesOver: first }), "True");
  expect(take({ mark: "c" }).ack).toMatchObject({ answer: "superseded", row: { uid: second } });
  expect(take({ mark: "c", epoch: 1, takesOver: second }).ack.answer).toBe("accepted");
  expect(take({ mark: "d", epoch: 1, at: 2 }).ack.answer).toBe("accepted");
  expect(take({ uid: second }).ack).toMatchObject({ answer: "superseded", row: { epoch: 1 } });
});

describe("the withdrawal of a run", () => {
  test("that waits ends it: it never started, and never will", () => {
    const runID = current();
    expect(withdraw()).toMatchObject({
      ack: { answer: "known", run: { runID, state: "Finished", result: { ...CANCELLED } } },
      starts: undefined,
      ends: [{ runID, cause: CANCELLED }],
      due: [runID],
    });
    expect(tables.report(runID).result).toEqual({
      ...CANCELLED,
      started: "False",
      finishedAt: LATER,
    });
    expect(take().ack).toMatchObject({ answer: "known", run: { runID, state: "Finished" } });
  });

  test("that waits for its next attempt ends it with what is true of the last", () => {
    const runID = paused();
    expect(withdraw()).toMatchObject({ ends: [{ runID, cause: CANCELLED }], due: [runID] });
    expect(tables.report(runID)).toMatchObject({
      state: "Finished",
      attempts: 1,
      startedAt: NOW,
      result: { ...attemptEnd, ...CANCELLED, finishedAt: LATER },
    });
  });

  test("that is under way asks for its end", () => {
    const runID = current();
    start(runID);
    expect(withdraw()).toMatchObject({
      ack: { answer: "known", run: { runID, state: "Running" } },
      ends: [{ runID, cause: CANCELLED }],
      due: [],
    });
    expect(tables.openRun(runID)?.ending).toEqual(CANCELLED);
  });

  test("that is about to start, and then does not, is as if it had waited", () => {
    const runID = current();
    tables.markStarting(runID, { bootID: BOOT, startingAt: 1 });
    withdraw();
    expect(tables.neverStarted(runID)).toBe(false);
    expect(tables.report(runID)).toMatchObject({
      attempts: 0,
      result: { ...CANCELLED, started: "False", finishedAt: LATER },
    });
  });

  test("that is over tells it as it is", () => {
    const runID = current();
    end(runID, "True");
    expect(withdraw()).toMatchObject({
      ack: { answer: "known", run: { runID, result: { outcome: "Failed" } } },
      ends: [],
      due: [],
    });
  });

  test("that never came leaves one that never starts", () => {
    const taken = withdraw();
    expect(taken).toMatchObject({
      ack: { answer: "accepted", run: { state: "Finished", result: { ...CANCELLED } } },
      starts: undefined,
      ends: [],
    });
    expect(taken.due).toHaveLength(1);
    expect(take().ack).toMatchObject({ answer: "known", run: { state: "Finished", attempts: 0 } });
  });

  test("that never came ends the one before it", () => {
    const before = current();
    start(before);
    expect(withdraw({ mark: "b", at: 2 })).toMatchObject({
      ack: { answer: "accepted", run: { revision: revision("b"), state: "Finished" } },
      ends: [{ runID: before, cause: REPLACED }],
    });
  });

  test("that waits for the resource of before takes it over and ends it", () => {
    const runID = current();
    expect(withdraw({ uid: second, takesOver: first })).toMatchObject({
      ack: { answer: "known", run: { runID, uid: second, state: "Finished" } },
      due: [runID],
    });
    expect(take().ack.answer).toBe("superseded");
  });

  test("that is behind the row's changes nothing", () => {
    const runID = current({ at: 3 });
    expect(withdraw({ mark: "b", at: 2 }).ack.answer).toBe("nodeIsAhead");
    expect(withdraw({ uid: second }).ack.answer).toBe("takeoverNeeded");
    expect(tables.openRun(runID)?.state).toBe("Accepted");
  });

  test("that was taken back before it came changes nothing", () => {
    const runID = current();
    take({ generation: 3 });
    expect(withdraw({ generation: 2 }).ack).toMatchObject({
      answer: "nodeIsAhead",
      row: { generation: 3 },
    });
    expect(tables.openRun(runID)?.state).toBe("Accepted");
    expect(withdraw({ generation: 4 }).ack).toMatchObject({ run: { result: CANCELLED } });
  });

  test("that an earlier ledger may have had is not answered for", () => {
    const before = tables.counter();
    expect(withdraw({ requestedAt: NOW, ledgerSince: LATER }).ack).toEqual({
      answer: "ledgerLost",
    });
    expect(tables.counter()).toBe(before);
  });
});

describe("the withdrawal of a deleted resource", () => {
  test("ends its run and keeps its row", () => {
    const runID = current();
    expect(remove(first)).toMatchObject({
      ack: { answer: "known", run: { runID, result: { ...DELETED, started: "False" } } },
      due: [runID],
    });
    expect(remove(first).ack).toMatchObject({ answer: "known", run: { runID } });
  });

  test("leaves what is over as it was, to be adopted when it is created again", () => {
    const runID = current();
    end(runID, "True");
    remove(first);
    expect(take({ uid: second }).ack).toMatchObject({
      answer: "takeoverNeeded",
      row: { uid: first },
    });
    expect(take({ uid: second, takesOver: first })).toMatchObject({
      ack: { answer: "known", run: { runID, adopted: true, result: { outcome: "Failed" } } },
      due: [runID],
    });
  });

  test("lets no later command of it run, and no later withdrawal pretend", () => {
    end(current(), "True");
    remove(first);
    for (const late of [take({ mark: "b", at: 2 }), withdraw({ mark: "b", at: 2 })]) {
      expect(late.ack).toEqual({
        answer: "superseded",
        row: { uid: first, epoch: 0, generation: 1 },
      });
    }
  });

  test("overtakes the command that it never knew", () => {
    expect(remove(first).ack).toEqual({ answer: "absent" });
    expect(take().ack).toEqual({ answer: "superseded" });
    expect(take({ uid: second }).ack.answer).toBe("accepted");
    expect(take({ takesOver: second }).ack).toMatchObject({ answer: "superseded" });
  });

  test("leaves the row of another uid alone", () => {
    const runID = current({ uid: second });
    expect(remove(first).ack).toEqual({ answer: "absent" });
    expect(tables.openRun(runID)?.state).toBe("Accepted");
    expect(take({ takesOver: second }).ack.answer).toBe("superseded");
  });
});

describe("a ledger that is full", () => {
  beforeEach(() => {
    tables = new LedgerTables(db, { ...DEFAULT_LIMITS, runsWithoutReceipt: 2 });
  });

  test("takes on no further run until a result has its receipt, and changes nothing", () => {
    const one = current();
    take({ name: "other" });
    const refused = { ack: { answer: "refused", reason: "Busy" }, starts: undefined, ends: [] };
    expect(take({ name: "third" })).toMatchObject(refused);
    expect(take({ mark: "b", at: 2 })).toMatchObject(refused);
    expect(withdraw({ name: "third" })).toMatchObject(refused);
    expect(tables.openRun(one)?.state).toBe("Accepted");
    end(one, "True");
    expect(take({ name: "third" })).toMatchObject(refused);
    tables.markReceipted(tables.report(one));
    expect(take({ name: "third" }).ack.answer).toBe("accepted");
  });

  test("still answers for what it has", () => {
    const runID = current();
    take({ name: "other" });
    expect(take().ack).toMatchObject({ answer: "known", run: { runID } });
    expect(take({ uid: second, takesOver: first }).ack.answer).toBe("known");
    expect(withdraw({ uid: second }).ack).toMatchObject({ run: { state: "Finished" } });
    expect(remove(second).ack.answer).toBe("known");
  });
});

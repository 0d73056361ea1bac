import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { lastPossibleEnd } from "../../../../src/controller/edgecommand/deadlines.ts";
import { ASK_AGAIN_MS } from "../../../../src/controller/edgecommand/offering.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import {
  edgeCommand,
  NODE_GRACE_MS,
  NOW,
  observed,
  runReport,
  runResult,
  SESSION_ID,
} from "../../../support/builders.ts";
import { after, answered, away, condition, edited, late, withRun } from "./planning.ts";

const MINUTE = 60_000;
const REQUESTED = Date.parse("2026-11-24T06:00:00.000Z");
const ACCEPTED = Date.parse("2026-11-24T06:00:00.100Z");
const STARTED = Date.parse("2026-11-24T06:00:00.110Z");

const command = edgeCommand({ spec: { timeout: "5m" } });

const minutes = (count: number): number => count * MINUTE;

/** As its status is when its node has said this, and is then away. */
function told(of: EdgeCommand, state: "Accepted" | "Running"): EdgeCommand {
  return after(of, { exchange: answered(runReport(of, { state })), ...late });
}

describe("the last moment at which an accepted run can have ended", () => {
  const retry = { limit: 3, backoff: "1m", maxBackoff: "3m" };

  test.each<[string, Partial<EdgeCommand["spec"]>, "Accepted" | "Running", number]>([
    ["one attempt, from its start", {}, "Running", STARTED + minutes(5 + 1)],
    ["one attempt, from its acceptance", {}, "Accepted", ACCEPTED + minutes(5 + 1)],
    [
      "every attempt and the longest pauses",
      { retry },
      "Running",
      STARTED + minutes(4 * 6 + 1 + 2 + 3),
    ],
    [
      "from the start deadline, if that is later",
      { startDeadline: "1h" },
      "Accepted",
      REQUESTED + minutes(60 + 6),
    ],
    [
      "from its acceptance, if that is later",
      { startDeadline: "1ms" },
      "Accepted",
      ACCEPTED + minutes(6),
    ],
    [
      "the deadline of a start does not matter once it has started",
      { startDeadline: "1h" },
      "Running",
      STARTED + minutes(6),
    ],
    [
      "unless it may be started again",
      { startDeadline: "1h", retry },
      "Running",
      REQUESTED + minutes(60 + 24 + 6),
    ],
  ])("%s", (_, spec, state, end) => {
    const of = edgeCommand({ spec: { timeout: "5m", ...spec } });
    const { run } = told(of, state).status;
    if (run === undefined) throw new Error("no run");
    expect(lastPossibleEnd(run, of)).toBe(end);
  });
});

describe("a node that has accepted a run and is silent", () => {
  const running = told(command, "Running");
  const end = STARTED + 6 * MINUTE + NODE_GRACE_MS;

  test.each([
    ["before every deadline", { now: end - 1, silentMs: 1e9 }, "Running"],
    [
      "when it has not been listened to for long enough",
      { now: end + 1e9, silentMs: NODE_GRACE_MS - 1 },
      "Running",
    ],
    ["when the broker is away", { now: end + 1e9, silentMs: 1e9, brokerDownMs: 1e9 }, "Running"],
    [
      "when it is there all the same",
      { now: end, silentMs: 1e9, node: { kind: "present", sessionID: SESSION_ID } },
      "Running",
    ],
    ["when both are past", { now: end, silentMs: NODE_GRACE_MS }, "Unknown"],
    [
      "and whose EdgeNode was deleted",
      { now: end, silentMs: 1e9, node: { kind: "notFound" } },
      "Unknown",
    ],
    [
      "and whose name another one has",
      {
        now: end,
        silentMs: 1e9,
        node: { kind: "barred", reason: "NameConflict", message: "Taken." },
      },
      "Unknown",
    ],
    ["and said hello right now", { now: end, silentMs: 0, node: { kind: "arriving" } }, "Running"],
  ] as const)("%s", (_, seen, phase) => {
    const { writeStatus } = plan(observed(running, { ...away, ...seen }));
    expect((writeStatus ?? running.status).phase).toBe(phase);
  });

  test("is Unknown with all that is known of the run, and nothing that is not", () => {
    const { status } = after(running, { ...away, now: end });
    const { runID, acceptedAt, startedAt, attempts } = running.status.run ?? {};
    expect(status.run).toMatchObject({
      outcome: "Unknown",
      reason: "NodeSilent",
      started: "True",
      runID,
      acceptedAt,
      startedAt,
      attempts,
    });
    expect(status.run?.finishedAt).toBeUndefined();
    expect(condition(status, "Succeeded")).toBe("Unknown");
    expect(condition(status, "Stalled")).toBe("True");
  });

  test("of which no start was heard is Unknown, and so is whether it started", () => {
    const { run } = after(told(command, "Accepted"), { ...away, now: end }).status;
    expect(run).toMatchObject({ outcome: "Unknown", started: "Unknown" });
  });

  test("is looked at again at that moment", () => {
    expect(plan(observed(running, { ...away, now: end - 5 })).requeueAfterMs).toBe(5);
    const deaf = { ...away, now: end + 1e9, silentMs: NODE_GRACE_MS - 7 };
    expect(plan(observed(running, deaf)).requeueAfterMs).toBe(7);
  });

  test("is so as well when it was to be cancelled", () => {
    const cancelled = edited(running, { cancel: true });
    expect(after(cancelled, { ...away, now: end }).status.phase).toBe("Unknown");
  });
});

describe("what is Unknown, when its node is back", () => {
  const end = STARTED + 60 * MINUTE;
  const unknown = after(told(command, "Running"), { ...away, now: end });

  test("is asked for, after a live read", () => {
    expect(plan(observed(unknown, { now: end })).offer).toMatchObject({
      message: "command",
      readLive: true,
    });
  });

  test("is what its node then says", () => {
    const running = answered(runReport(command, { state: "Running" }));
    expect(after(unknown, { now: end, exchange: running, ...late }).status).toMatchObject({
      phase: "Running",
      run: { reason: "Running" },
    });
    const ended = after(unknown, { reports: [runReport(command)] });
    expect(ended.status).toMatchObject({ phase: "Succeeded" });
    expect(plan(observed(ended))).toEqual({});
  });

  test.each([
    [
      "while the node is away",
      { ...away, exchange: answered(runReport(command, { state: "Running" })) },
    ],
    [
      "once the node is to be asked again",
      {
        exchange: {
          ...answered(runReport(command, { state: "Running" })),
          isStale: true,
          inFlight: true,
        },
      },
    ],
  ])("is not what it said before: %s", (_, seen) => {
    expect(plan(observed(unknown, { now: NOW, ...late, ...seen })).writeStatus).toBeUndefined();
  });
});

describe("a node that is there and does not tell of the end", () => {
  const running = told(command, "Running");
  const exchange = answered(runReport(command, { state: "Running" }));
  const overdue = { now: STARTED + 6 * MINUTE + 1, exchange };

  test("is not asked before every deadline", () => {
    const { offer, requeueAfterMs } = plan(observed(running, { exchange, monotonic: 1e9 }));
    expect(offer).toBeUndefined();
    expect(requeueAfterMs).toBeLessThanOrEqual(ASK_AGAIN_MS);
  });

  test("is asked again then, at a slow pace, and never made Unknown", () => {
    const soon = plan(observed(running, { ...overdue, monotonic: 10_000 + ASK_AGAIN_MS - 1 }));
    expect(soon).toEqual({ requeueAfterMs: 1 });
    const due = plan(observed(running, { ...overdue, monotonic: 10_000 + ASK_AGAIN_MS }));
    expect(due.offer).toMatchObject({ message: "command", readLive: true });
    expect(due.writeStatus).toBeUndefined();
  });
});

describe("a clock that is far ahead", () => {
  const TEN_YEARS = 10 * 365 * 24 * 60 * MINUTE;

  test("does not make Unknown of a run whose node was heard within the grace period", () => {
    const running = told(command, "Running");
    const far = { now: NOW + TEN_YEARS };
    expect(plan(observed(running, far)).writeStatus).toBeUndefined();
    expect(plan(observed(running, { ...far, ...away, silentMs: 1 })).writeStatus).toBeUndefined();
  });

  test("may expire what was not accepted, and the node's word mends that", () => {
    const of = edgeCommand({ spec: { startDeadline: "24h" } });
    const expired = after(of, { now: NOW + TEN_YEARS, ...away });
    expect(expired.status).toMatchObject({ phase: "Expired", run: { started: "Unknown" } });
    expect(after(expired, { reports: [runReport(of)] }).status.phase).toBe("Succeeded");
    expect(after(expired, away).status.phase).toBe("WaitingForNode");
  });
});

describe("the late word of a node", () => {
  test.each([
    ["Unknown", { outcome: "Unknown", started: "Unknown", reason: "NodeSilent" }],
    ["Expired", { outcome: "Expired", started: "Unknown", reason: "StartDeadlineExceeded" }],
    ["Skipped", { outcome: "Skipped", started: "Unknown", reason: "NodeAway" }],
    ["Failed", { outcome: "Failed", started: "Unknown", reason: "NodeAway" }],
  ] as const)("replaces %s once, and then nothing does", (_, run) => {
    const open = withRun(command, run);
    const failed = runResult({ outcome: "Failed", exitCode: 3, reason: "NonZeroExit" });
    const ended = after(open, { reports: [runReport(command, { result: failed })] });
    expect(ended.status).toMatchObject({ phase: "Failed", run: { exitCode: 3 } });
    const other = runReport(command, { runID: "55555555-5555-4555-8555-555555555555" });
    expect(after(ended, { reports: [other] }).status.run).toEqual(ended.status.run);
  });
});

test("property: Unknown is never said while the node may be heard, whatever the clock says", () => {
  const anyTime = fc.integer({ min: -1e12, max: 1e13 });
  const running = told(command, "Running");
  fc.assert(
    fc.property(anyTime, fc.nat(NODE_GRACE_MS - 1), (shift, silentMs) => {
      const { writeStatus } = plan(observed(running, { ...away, now: NOW + shift, silentMs }));
      expect((writeStatus ?? running.status).phase).toBe("Running");
    }),
  );
});

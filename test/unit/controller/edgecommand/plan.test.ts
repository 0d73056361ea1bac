import { describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { SETTLE_MS } from "../../../../src/controller/edgecommand/offering.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import {
  CREATED,
  edgeCommand,
  NOW,
  observed,
  runReport,
  runResult,
  SESSION_ID,
} from "../../../support/builders.ts";
import { asked, condition, finished, late, written } from "./planning.ts";

describe("a new command", () => {
  test("is offered without a write and without a read", () => {
    const { writeStatus, offer } = plan(observed(edgeCommand()));
    expect(writeStatus).toBeUndefined();
    expect(offer).toMatchObject({ sessionID: SESSION_ID, readLive: false });
    expect(offer?.run).toMatchObject({ declared: 1, requestedAt: CREATED });
  });

  test("that ends within a second costs exactly one status write", () => {
    const command = edgeCommand();
    const sent = plan(observed(command, { exchange: asked }));
    const report = runReport(command, { state: "Accepted" });
    const accepted = plan(observed(command, { exchange: { ...asked, inFlight: false, report } }));
    const ended = plan(observed(command, { exchange: asked, reports: [runReport(command)] }));
    expect([sent.writeStatus, accepted.writeStatus]).toEqual([undefined, undefined]);
    expect(ended.writeStatus).toMatchObject({
      phase: "Succeeded",
      observedGeneration: 1,
      run: { outcome: "Succeeded", exitCode: 0, started: "True", summary: "exit 0: up 3 days" },
    });
    const after = written(command, ended.writeStatus);
    expect(plan(observed(after, { reports: [runReport(command)] }))).toEqual({});
  });

  test.each(["inFlight", "not yet due"])("is not offered again while an offer is %s", (why) => {
    const exchange = why === "inFlight" ? asked : { ...asked, inFlight: false, dueAt: 10_001 };
    expect(plan(observed(edgeCommand(), { exchange })).offer).toBeUndefined();
  });

  test("is looked up in the API server before it is offered a second time", () => {
    const exchange = { ...asked, inFlight: false, dueAt: 9_000 };
    expect(plan(observed(edgeCommand(), { exchange })).offer).toMatchObject({ readLive: true });
  });
});

test.each([
  ["for less than ten seconds is offered without a read", 9_999, false],
  ["for longer may have been cancelled behind a silent watch: it is looked up first", 10_000, true],
])("a command that has been there %s", (_, ageMs, readLive) => {
  const now = Date.parse(CREATED) + ageMs;
  const { writeStatus, offer } = plan(observed(edgeCommand(), { now }));
  expect(writeStatus).toBeUndefined();
  expect(offer).toMatchObject({ message: "command", readLive });
});

describe("what lasts longer than a second is written", () => {
  test("Sent, when the node has not answered", () => {
    const { writeStatus } = plan(observed(edgeCommand(), { exchange: asked, ...late }));
    expect(writeStatus).toMatchObject({ phase: "Sent", run: { reason: "AwaitingAck" } });
    expect(condition(writeStatus, "Reconciling")).toBe("True");
    expect(condition(writeStatus, "Succeeded")).toBe("Unknown");
  });

  test("Accepted only after the node was asked once more whether it has started", () => {
    const command = edgeCommand();
    const report = runReport(command, { state: "Accepted" });
    const exchange = { ...asked, inFlight: false, report };
    const first = plan(observed(command, { exchange, ...late }));
    expect(first.writeStatus).toBeUndefined();
    expect(first.offer).toMatchObject({ readLive: true });
    const confirmed = plan(
      observed(command, { exchange: { ...exchange, confirmed: true }, ...late }),
    );
    expect(confirmed.writeStatus).toMatchObject({ phase: "Accepted" });
    expect(confirmed.offer).toBeUndefined();
  });

  test("Running, with the time of its start", () => {
    const command = edgeCommand();
    const report = runReport(command, { state: "Running" });
    const { writeStatus } = plan(
      observed(command, { exchange: { ...asked, inFlight: false, report }, ...late }),
    );
    expect(writeStatus).toMatchObject({ phase: "Running", run: { started: "True" } });
    expect(condition(writeStatus, "Accepted")).toBe("True");
    expect(condition(writeStatus, "Ready")).toBe("False");
  });

  test("a broker that is away, but not one that blinks", () => {
    const blink = plan(observed(edgeCommand(), { brokerDownMs: 10 }));
    expect(blink).toEqual({ requeueAfterMs: SETTLE_MS - 10 });
    const { writeStatus, offer } = plan(observed(edgeCommand(), { brokerDownMs: SETTLE_MS }));
    expect(writeStatus).toMatchObject({ phase: "Sent", run: { reason: "BrokerUnavailable" } });
    expect(offer).toBeUndefined();
  });
});

describe("a node that is not there", () => {
  test.each([
    [{ kind: "notFound" }, "NodeNotFound", /There is no EdgeNode "ship1" in namespace "default"/],
    [{ kind: "away", message: "Node is silent." }, "NodeAway", /silent/],
    [{ kind: "barred", reason: "NameConflict", message: "Taken." }, "NodeNameConflict", /Taken/],
  ] as const)("%o is said at once and nothing is sent", (node, reason, message) => {
    const { writeStatus, offer } = plan(observed(edgeCommand(), { node }));
    expect(writeStatus).toMatchObject({ phase: "WaitingForNode", run: { reason } });
    expect(writeStatus?.run?.message).toMatch(message);
    expect(condition(writeStatus, "Ready")).toBe("False");
    expect(condition(writeStatus, "Completed")).toBe("False");
    expect(offer).toBeUndefined();
  });

  test("gets the command when it is back, after a live read", () => {
    const command = edgeCommand();
    const away = { kind: "away", message: "Silent." } as const;
    const waiting = written(command, plan(observed(command, { node: away })).writeStatus);
    expect(plan(observed(waiting)).offer).toMatchObject({ readLive: true });
  });

  test("that has said hello is sent nothing before its EdgeNode says so", () => {
    expect(plan(observed(edgeCommand(), { node: { kind: "arriving" } }))).toEqual({});
  });
});

describe("the start deadline", () => {
  const command = edgeCommand({ spec: { startDeadline: "30s" } });
  const past = { now: Date.parse(CREATED) + 30_000 };

  test("is waited for", () => {
    const { requeueAfterMs } = plan(observed(command, { node: { kind: "notFound" } }));
    expect(requeueAfterMs).toBe(30_000 - (NOW - Date.parse(CREATED)));
  });

  test("expires a command of which nothing was heard, without claiming that it never started", () => {
    const { writeStatus } = plan(observed(command, { node: { kind: "notFound" }, ...past }));
    expect(writeStatus).toMatchObject({ phase: "Expired", run: { started: "Unknown" } });
    expect(condition(writeStatus, "Completed")).toBe("True");
    expect(condition(writeStatus, "Stalled")).toBe("True");
  });

  test("does not expire a command that the node has accepted", () => {
    const report = runReport(command, { state: "Running" });
    const { writeStatus } = plan(observed(command, { exchange: { ...asked, report }, ...past }));
    expect(writeStatus).toBeUndefined();
  });

  test("is followed by further offers until the node has said what happened, which replaces it", () => {
    const expired = written(
      command,
      plan(observed(command, { node: { kind: "notFound" }, ...past })).writeStatus,
    );
    expect(plan(observed(expired, past)).offer).toMatchObject({ readLive: true });
    const told = plan(observed(expired, { ...past, reports: [runReport(command)] }));
    expect(told.writeStatus).toMatchObject({ phase: "Succeeded" });
    const running = runReport(command, { state: "Running" });
    const asks = { ...asked, report: running };
    const { writeStatus } = plan(
      observed(expired, { ...past, exchange: asks, monotonic: 10_000 + SETTLE_MS }),
    );
    expect(writeStatus).toMatchObject({ phase: "Running", run: { started: "True" } });
    expect(writeStatus?.run?.outcome).toBeUndefined();
  });

  test("that is extended after it has passed is waited for again", () => {
    const nobody = { node: { kind: "notFound" } } as const;
    const expired = written(command, plan(observed(command, { ...nobody, ...past })).writeStatus);
    const extended = edgeCommand({ generation: 2, spec: { startDeadline: "1h" } });
    const { writeStatus } = plan(
      observed({ ...extended, status: expired.status }, { ...nobody, ...past }),
    );
    expect(writeStatus).toMatchObject({
      phase: "WaitingForNode",
      observedGeneration: 2,
      run: { declared: 1 },
    });
    expect(condition(writeStatus, "Completed")).toBe("False");
  });

  test("on the node's word is firm", () => {
    const result = runResult({
      outcome: "Expired",
      started: "False",
      reason: "StartDeadlineExceeded",
    });
    const report = runReport(command, { result });
    const expired = written(command, plan(observed(command, { reports: [report] })).writeStatus);
    expect(expired.status.run).toMatchObject({ outcome: "Expired", started: "False" });
    expect(plan(observed(expired, past))).toEqual({});
  });
});

describe("an edited command", () => {
  const first = finished(edgeCommand());
  const edited: EdgeCommand = {
    ...edgeCommand({ generation: 2, spec: { args: ["df -h"] } }),
    status: first.status,
  };

  test("has its new run in the status before it is offered", () => {
    const { writeStatus, offer } = plan(observed(edited));
    expect(writeStatus?.run).toMatchObject({
      declared: 2,
      revision: offer?.run.revision,
      requestedAt: new Date(NOW).toISOString(),
    });
    expect(writeStatus?.run?.outcome).toBeUndefined();
    expect(writeStatus?.history).toMatchObject([
      { declared: 1, outcome: "Succeeded", exitCode: 0 },
    ]);
  });

  test("costs two writes in all", () => {
    const declared = written(edited, plan(observed(edited)).writeStatus);
    const ended = plan(observed(declared, { exchange: asked, reports: [runReport(declared)] }));
    expect(ended.writeStatus).toMatchObject({ phase: "Succeeded", run: { declared: 2 } });
    expect(plan(observed(written(declared, ended.writeStatus)))).toEqual({});
  });

  test("is written first also if nobody ever saw the version before", () => {
    const unseen = edgeCommand({ generation: 2 });
    expect(plan(observed(unseen)).writeStatus?.run).toMatchObject({ declared: 2 });
  });

  test("runs nothing again if only the terms changed, but says that it was seen", () => {
    const terms: EdgeCommand = {
      ...edgeCommand({ generation: 2, spec: { timeout: "1h" } }),
      status: first.status,
    };
    const { writeStatus, offer } = plan(observed(terms));
    expect(offer).toBeUndefined();
    expect(writeStatus).toMatchObject({
      observedGeneration: 2,
      phase: "Succeeded",
      run: { declared: 1 },
    });
    expect(plan(observed(written(terms, writeStatus)))).toEqual({});
  });

  test("keeps the late result of an earlier run for the history only", () => {
    const declared = written(
      edited,
      plan(observed({ ...edited, status: edgeCommand().status })).writeStatus,
    );
    const stray = runReport(edgeCommand(), {
      result: runResult({ outcome: "Cancelled", reason: "Replaced" }),
    });
    const { writeStatus } = plan(observed(declared, { exchange: asked, reports: [stray] }));
    expect(writeStatus?.history).toMatchObject([{ declared: 1, outcome: "Cancelled" }]);
    expect(writeStatus?.run).toMatchObject({ declared: 2 });
    expect(writeStatus?.run?.outcome).toBeUndefined();
  });

  test("back to what it was before is a new run, which an old result does not settle", () => {
    const second = finished(written(edited, plan(observed(edited)).writeStatus));
    const back: EdgeCommand = { ...edgeCommand({ generation: 3 }), status: second.status };
    const declared = written(back, plan(observed(back)).writeStatus);
    expect(declared.status.run).toMatchObject({ declared: 3 });
    const old = runReport(edgeCommand());
    const { writeStatus } = plan(observed(declared, { exchange: asked, reports: [old] }));
    expect(writeStatus?.run?.outcome).toBeUndefined();
    expect(declared.status.history?.map(({ declared: at }) => at)).toEqual([2, 1]);
  });
});

test("an edit of the terms is seen while the node that runs the command is away", () => {
  const command = edgeCommand();
  const report = runReport(command, { state: "Running" });
  const running = written(
    command,
    plan(observed(command, { exchange: { ...asked, inFlight: false, report }, monotonic: 20_000 }))
      .writeStatus,
  );
  const edited = edgeCommand({ generation: 2, spec: { timeout: "1h" }, status: running.status });
  const node = { kind: "away", message: "Nothing is heard." } as const;
  expect(plan(observed(edited, { node })).writeStatus).toMatchObject({
    observedGeneration: 2,
    phase: "Running",
  });
});

test("one run is told once, also when the edit in between never reached the node", () => {
  const first = edgeCommand();
  const back = edgeCommand({ generation: 3, status: { observedGeneration: 2, phase: "Sent" } });
  const declared = written(back, plan(observed(back)).writeStatus);
  const unreceipted = runReport(first);
  const filed = written(
    declared,
    plan(observed(declared, { exchange: asked, reports: [unreceipted] })).writeStatus,
  );
  expect(filed.status.history).toHaveLength(1);
  const known = { ...unreceipted, generation: 3 };
  const { writeStatus } = plan(observed(filed, { exchange: asked, reports: [known] }));
  expect(writeStatus).toMatchObject({ phase: "Succeeded", run: { declared: 3 } });
  expect(writeStatus?.history).toBeUndefined();
});

test("an acknowledgement that may be out of date still keeps the deadline from expiring it", () => {
  const command = edgeCommand({ spec: { startDeadline: "1s" } });
  const report = runReport(command, { state: "Accepted" });
  const exchange = { ...asked, inFlight: false, report, isStale: true };
  const past = { now: Date.parse(CREATED) + 60_000 };
  const { writeStatus, offer } = plan(observed(command, { exchange, ...past }));
  expect(writeStatus?.run?.outcome).toBeUndefined();
  expect(offer).toMatchObject({ readLive: true });
});

test("a wait is never longer than five minutes, because the wall clock may be set", () => {
  const command = edgeCommand({ spec: { startDeadline: "24h" } });
  const { requeueAfterMs } = plan(observed(command, { node: { kind: "notFound" } }));
  expect(requeueAfterMs).toBe(300_000);
});

describe("a re-created command", () => {
  test("whose run was ended halfway by an earlier resource is not ready", () => {
    const command = edgeCommand();
    const result = runResult({
      outcome: "Cancelled",
      reason: "Replaced",
      startedAt: "2026-11-24T05:00:00.000Z",
    });
    const report = runReport(command, { adopted: true, result });
    const { writeStatus } = plan(observed(command, { reports: [report] }));
    expect(writeStatus).toMatchObject({ phase: "Cancelled", run: { reason: "AlreadyRan" } });
    expect(condition(writeStatus, "Ready")).toBe("False");
    expect(condition(writeStatus, "Stalled")).toBe("True");
  });

  test("whose run was adopted before it started is not said to have run before", () => {
    const command = edgeCommand();
    const result = runResult({ startedAt: "2026-11-24T06:01:00.000Z" });
    const { writeStatus } = plan(
      observed(command, { reports: [runReport(command, { adopted: true, result })] }),
    );
    expect(writeStatus).toMatchObject({ phase: "Succeeded", run: { reason: "Completed" } });
  });

  test("that the node has run already shows the recorded outcome and says why", () => {
    const command = edgeCommand();
    const report = runReport(command, { adopted: true });
    const { writeStatus } = plan(observed(command, { reports: [report] }));
    expect(writeStatus).toMatchObject({ phase: "Succeeded", run: { reason: "AlreadyRan" } });
    expect(writeStatus?.run?.message).toMatch(/generateName/);
  });
});

test("the same observation makes the same plan", () => {
  const input = observed(edgeCommand(), { exchange: asked, monotonic: 20_000 });
  expect(plan(input)).toEqual(plan(input));
});

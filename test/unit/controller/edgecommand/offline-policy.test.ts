import { describe, expect, test } from "vitest";

import { NEW_EXCHANGE } from "../../../../src/controller/edgecommand/observe.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import { isFirm } from "../../../../src/controller/edgecommand/run.ts";
import {
  edgeCommand,
  NODE_GRACE_MS,
  observed,
  runReport,
  runResult,
} from "../../../support/builders.ts";
import { after, answered, asked, away, condition, edited, finished } from "./planning.ts";

const skipping = edgeCommand({ spec: { offlinePolicy: "Skip" } });
const failing = edgeCommand({ spec: { offlinePolicy: "Fail" } });
const unknown = { ...away, node: { kind: "notFound" } } as const;

const neverRan = runResult({ outcome: "Cancelled", started: "False", reason: "Cancelled" });

describe("a run that is requested while its node is away", () => {
  test.each([
    ["Wait", away, "WaitingForNode", undefined],
    ["Wait", unknown, "WaitingForNode", undefined],
    ["Skip", away, "Skipped", "Unknown"],
    ["Skip", unknown, "Skipped", "Unknown"],
    ["Fail", away, "Failed", "Unknown"],
    ["Fail", unknown, "Failed", "Unknown"],
  ] as const)("with %s and %o is %s", (offlinePolicy, seen, phase, started) => {
    const { writeStatus, offer } = plan(observed(edgeCommand({ spec: { offlinePolicy } }), seen));
    expect(writeStatus?.phase).toBe(phase);
    expect(writeStatus?.run?.started).toBe(started);
    expect(isFirm(writeStatus?.run)).toBe(false);
    expect(offer).toBeUndefined();
    if (phase !== "WaitingForNode") expect(writeStatus?.run?.reason).toBe("NodeAway");
  });

  test("is Ready if it was to be skipped, and Stalled if it was to fail", () => {
    const { status: skipped } = after(skipping, away);
    expect([condition(skipped, "Ready"), condition(skipped, "Completed")]).toEqual([
      "True",
      "True",
    ]);
    const { status: failed } = after(failing, away);
    expect([condition(failed, "Ready"), condition(failed, "Stalled")]).toEqual(["False", "True"]);
  });

  test("by an edit or a rerun is looked at anew", () => {
    const ran = finished(skipping);
    expect(after(edited(ran, { rerun: "a" }), away).status).toMatchObject({
      phase: "Skipped",
      run: { declared: 2 },
      history: [{ declared: 1, outcome: "Succeeded" }],
    });
  });
});

test("a run that was cancelled before anybody looked is withdrawn, not skipped", () => {
  const command = edgeCommand({ generation: 2, spec: { offlinePolicy: "Skip", cancel: true } });
  const { writeStatus } = plan(observed(command, away));
  expect(writeStatus).toMatchObject({
    phase: "WaitingForNode",
    run: { reason: "CancelRequested" },
  });
});

describe("that nothing is heard of a node counts only when it could have been heard", () => {
  test.each([0, 1, NODE_GRACE_MS - 1])(
    "after %i ms it is neither skipped nor written",
    (silentMs) => {
      const { writeStatus, requeueAfterMs, offer } = plan(
        observed(skipping, { ...away, silentMs }),
      );
      expect([writeStatus, offer]).toEqual([undefined, undefined]);
      expect(requeueAfterMs).toBe(NODE_GRACE_MS - silentMs);
    },
  );

  test("an edited one is not written either: that would be the end of the look", () => {
    const command = edgeCommand({ generation: 2, spec: { offlinePolicy: "Skip" } });
    expect(plan(observed(command, { ...away, silentMs: 1 })).writeStatus).toBeUndefined();
  });

  test("a node that says hello meanwhile is sent it", () => {
    expect(plan(observed(skipping)).offer).toMatchObject({ message: "command" });
  });

  test("one that the broker found gone at the first offer is waited for, then skipped", () => {
    const exchange = { ...asked, inFlight: false, dueAt: 0 };
    expect(
      plan(observed(skipping, { ...away, silentMs: 1, exchange })).writeStatus,
    ).toBeUndefined();
    expect(plan(observed(skipping, { ...away, exchange })).writeStatus?.phase).toBe("Skipped");
    expect(plan(observed(skipping, { ...away, exchange: asked })).writeStatus?.phase).not.toBe(
      "Skipped",
    );
  });

  test("a result of an earlier run is taken at once, and the run waits for the hello that follows", () => {
    const command = edgeCommand({ generation: 2, spec: { offlinePolicy: "Skip", args: ["df"] } });
    const { writeStatus } = plan(
      observed(command, { ...away, reports: [runReport(edgeCommand())] }),
    );
    expect(writeStatus).toMatchObject({ phase: "WaitingForNode", history: [{ declared: 1 }] });
  });
});

test.each([
  ["a run that waits already", after(edgeCommand(), away)],
  [
    "a run that was accepted",
    after(edgeCommand(), {
      ...away,
      exchange: answered(runReport(edgeCommand(), { state: "Running" })),
    }),
  ],
])("%s is not given up because the policy is changed or the node goes away", (_, command) => {
  const { writeStatus } = plan(observed(edited(command, { offlinePolicy: "Skip" }), away));
  expect(writeStatus?.run?.outcome).toBeUndefined();
});

test("a name that belongs to another node is a mistake to be mended, not a node that is away", () => {
  const node = { kind: "barred", reason: "NameConflict", message: "Taken." } as const;
  expect(plan(observed(skipping, { ...away, node })).writeStatus?.phase).toBe("WaitingForNode");
});

describe.each([
  ["Skipped", skipping],
  ["Failed", failing],
] as const)("a run that is %s", (phase, command) => {
  const givenUp = after(command, away);

  test("is withdrawn when the node is back", () => {
    expect(plan(observed(givenUp)).offer).toMatchObject({ message: "withdrawal", readLive: true });
  });

  test("stays so while its node ends what the withdrawal has found running", () => {
    const exchange = answered(runReport(command, { state: "Running" }));
    expect(plan(observed(givenUp, { exchange }))).toEqual({});
  });

  test("stays so on the node's word that it never ran, which makes it firm", () => {
    const report = runReport(command, { result: neverRan });
    const confirmed = after(givenUp, { reports: [report] });
    expect(confirmed.status).toMatchObject({
      phase,
      run: { outcome: phase, reason: "NodeAway", started: "False", runID: report.runID },
    });
    expect(confirmed.status.run?.acceptedAt).toBeUndefined();
    expect(plan(observed(confirmed))).toEqual({});
  });

  test.each([
    ["ran", runResult(), "Succeeded"],
    [
      "was ended by the withdrawal while it ran",
      { ...neverRan, started: "True" as const },
      "Cancelled",
    ],
    ["may have run", runResult({ outcome: "Interrupted", started: "Unknown" }), "Interrupted"],
  ])("is replaced if it %s after all", (_, result, outcome) => {
    const told = after(givenUp, { reports: [runReport(command, { result })] });
    expect(told.status).toMatchObject({ phase: outcome, run: { outcome } });
    expect(plan(observed(told))).toEqual({});
  });

  test("is run by a new rerun, and not by another policy", () => {
    expect(plan(observed(edited(givenUp, { offlinePolicy: "Wait" }))).offer).toMatchObject({
      message: "withdrawal",
    });
    const { offer } = plan(observed(edited(givenUp, { rerun: "now" }), { exchange: NEW_EXCHANGE }));
    expect(offer).toMatchObject({ message: "command", run: { rerun: "now" } });
  });
});

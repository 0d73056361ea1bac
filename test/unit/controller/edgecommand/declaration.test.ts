import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { RunStatus } from "../../../../src/api/v1alpha1/edgecommand-status.ts";
import { revisionOf } from "../../../../src/api/v1alpha1/revision.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import { declaredRuns, isFirm } from "../../../../src/controller/edgecommand/run.ts";
import { CREATED, edgeCommand, NOW, observed, runReport } from "../../../support/builders.ts";
import { after, answered, asked, away, edited, finished, late, withRun } from "./planning.ts";

const now = new Date(NOW).toISOString();

describe("what is declared is a revision and a rerun of it", () => {
  const ran = finished(edgeCommand({ spec: { rerun: "a" } }));

  test.each([
    ["the same rerun", { rerun: "a" }, false],
    ["no rerun", { rerun: "" }, false],
    ["another rerun", { rerun: "b" }, true],
    ["another revision", { args: ["df"] }, true],
    ["another revision without a rerun", { args: ["df"], rerun: "" }, true],
    ["other terms", { timeout: "1h", readyWhen: "Accepted", suspend: true, cancel: true }, false],
  ] as const)("%s: a new run is %s -> %s", (_, spec, isNew) => {
    const next = edited(ran, { ...spec, args: "args" in spec ? [...spec.args] : ran.spec.args });
    const declared = declaredRuns(next, revisionOf(next.spec), now);
    expect(declared.mustBeWritten).toBe(isNew);
    if (!isNew) expect(declared.run).toBe(ran.status.run);
    else {
      const { rerun } = next.spec;
      expect(declared.run).toMatchObject({ declared: 2, rerun, epoch: 0, requestedAt: now });
      expect(declared.history).toMatchObject([{ declared: 1, rerun: "a", outcome: "Succeeded" }]);
    }
  });

  test("clearing rerun sends nothing and keeps the run as it is", () => {
    const cleared = edited(ran, { rerun: "" });
    const { writeStatus, offer } = plan(observed(cleared));
    expect(offer).toBeUndefined();
    expect(writeStatus?.run).toEqual(ran.status.run);
    expect(writeStatus?.observedGeneration).toBe(2);
  });

  test("clearing rerun and setting it to the same again runs nothing", () => {
    const cleared = after(edited(ran, { rerun: "" }));
    expect(plan(observed(edited(cleared, { rerun: "a" }))).offer).toBeUndefined();
  });

  test("the run of a new resource follows from the resource alone", () => {
    const { run, mustBeWritten } = declaredRuns(edgeCommand(), "v1:0", now);
    expect(run).toMatchObject({ declared: 1, requestedAt: CREATED, epoch: 0, rerun: "" });
    expect(mustBeWritten).toBe(false);
  });

  test("the run of an edited resource without a run in its status may be as old as the resource", () => {
    const { run, mustBeWritten } = declaredRuns(edgeCommand({ generation: 2 }), "v1:0", now);
    expect(run).toMatchObject({ declared: 2, requestedAt: CREATED });
    expect(mustBeWritten).toBe(true);
  });

  test("property: re-applying the same spec at any generation never declares another run", () => {
    fc.assert(
      fc.property(fc.nat(20), fc.constantFrom("", "a"), (times, rerun) => {
        let command = finished(edgeCommand({ spec: { rerun } }));
        const { run } = command.status;
        for (let i = 0; i < times; i += 1) {
          command = after(edited(command, { rerun: i % 2 === 0 ? rerun : "" }));
        }
        expect(command.status.run).toEqual(run);
      }),
    );
  });
});

describe("a rerun while the earlier run is under way", () => {
  const first = edgeCommand();
  const running = after(first, {
    exchange: answered(runReport(first, { state: "Running" })),
    ...late,
  });
  const rerun = edited(running, { rerun: "again" });
  const runID = "55555555-5555-4555-8555-555555555555";

  test("is written before it is sent, and sent without a live read, since nobody can have sent it", () => {
    const { writeStatus, offer } = plan(observed(rerun));
    expect(writeStatus?.run).toMatchObject({ declared: 2, rerun: "again" });
    expect(writeStatus?.run?.acceptedAt).toBeUndefined();
    expect(offer).toMatchObject({ message: "command", readLive: false });
  });

  test("is not ended by the end of the earlier one, which goes to the history", () => {
    const declared = after(rerun);
    const { writeStatus } = plan(observed(declared, { reports: [runReport(first)] }));
    expect(writeStatus?.run?.outcome).toBeUndefined();
    expect(writeStatus?.history).toMatchObject([{ declared: 1, rerun: "", outcome: "Succeeded" }]);
  });

  test("ends with its own result", () => {
    const declared = after(rerun);
    const ended = after(declared, { reports: [runReport(declared, { runID })] });
    expect(ended.status).toMatchObject({ phase: "Succeeded", run: { rerun: "again", runID } });
  });
});

describe("an edit", () => {
  test.each([
    ["waits for its node", { status: "WaitingForNode" }],
    ["runs", { status: "Running" }],
  ])(
    "while the earlier run %s is a new run, and the late end of the earlier one is history",
    (_, { status }) => {
      const first = edgeCommand();
      const exchange =
        status === "Running" ? answered(runReport(first, { state: "Running" })) : asked;
      const before = after(first, { exchange, ...late });
      const next = after(edited(before, { args: ["df -h"] }));
      expect(next.status.run).toMatchObject({ declared: 2 });
      const told = after(next, { exchange: asked, reports: [runReport(first)] });
      expect(told.status.history).toMatchObject([{ declared: 1, outcome: "Succeeded" }]);
      expect(told.status.run?.outcome).toBeUndefined();
    },
  );

  test("that arrives with the result of the earlier run keeps both", () => {
    const first = edgeCommand();
    const sent = after(first, { exchange: asked, ...late });
    const next = edited(sent, { args: ["df -h"] });
    const { writeStatus, offer } = plan(observed(next, { reports: [runReport(first)] }));
    expect(writeStatus?.history).toMatchObject([{ declared: 1, outcome: "Succeeded" }]);
    expect(writeStatus?.run).toMatchObject({ declared: 2 });
    expect(offer).toBeDefined();
  });
});

test("runs of the same revision that nobody heard of are kept apart by what asked for them", () => {
  const hour = { now: NOW + 3_600_000, ...away };
  const spec = { startDeadline: "1s" };
  const first = after(edgeCommand({ spec }), hour);
  const second = after(after(edited(first, { rerun: "a" })), { ...hour, now: NOW + 9_000_000 });
  const third = after(edited(second, { rerun: "b" }));
  expect(third.status.history).toMatchObject([
    { declared: 2, rerun: "a", outcome: "Expired" },
    { declared: 1, rerun: "", outcome: "Expired" },
  ]);
});

describe("an end is firm", () => {
  const runID = "33333333-3333-4333-8333-000000000001";

  test.each<[string, Partial<RunStatus>, boolean]>([
    ["while it has none", { runID }, false],
    ["on the node's word", { outcome: "Succeeded", started: "True", runID }, true],
    [
      "on the node's word that nobody knows",
      { outcome: "Interrupted", started: "Unknown", runID },
      true,
    ],
    ["if nothing can have been sent", { outcome: "Cancelled", started: "False" }, true],
    ["if it expired on the node's word", { outcome: "Expired", started: "False", runID }, true],
    ["not if it expired without", { outcome: "Expired", started: "Unknown" }, false],
    ["not if it was skipped without", { outcome: "Skipped", started: "Unknown" }, false],
    [
      "if the node knows that it was skipped",
      { outcome: "Skipped", started: "False", runID },
      true,
    ],
    [
      "not if it failed for a node that is away",
      { outcome: "Failed", reason: "NodeAway", started: "Unknown" },
      false,
    ],
    ["never if it is Unknown", { outcome: "Unknown", started: "True", runID }, false],
  ])("%s", (_, run, firm) => {
    expect(isFirm(withRun(edgeCommand(), run).status.run)).toBe(firm);
  });
});

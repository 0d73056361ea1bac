import { describe, expect, test } from "vitest";

import type { RunStatus } from "../../../../src/api/v1alpha1/edgecommand-status.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import type { RunReport } from "../../../../src/protocol/run.ts";
import { edgeCommand, observed, runReport } from "../../../support/builders.ts";
import { finished, withRun } from "./planning.ts";

/**
 * DESIGN §4, the table for results, for those that name the resource's uid: what becomes of the status before
 * the receipt is given. (The first two rows are the reconciler's.)
 */
type Becomes = "as it is" | "the run" | "history";

const RUN_ID = "33333333-3333-4333-8333-000000000001";
const OTHER_RUN = "55555555-5555-4555-8555-555555555555";

interface Row {
  readonly design: string;
  readonly when: string;
  /** The run in the status, declared at generation 3 of a resource at generation 5. */
  readonly run: Partial<RunStatus>;
  readonly report: Partial<RunReport>;
  readonly becomes: Becomes;
}

const firm = { outcome: "Succeeded", started: "True", runID: RUN_ID } as const;
const mine = { runID: RUN_ID, declared: 3, generation: 3 } as const;

const rows: readonly Row[] = [
  {
    design: "this run is recorded firmly, in status or history",
    when: "it is the status's run",
    run: firm,
    report: mine,
    becomes: "as it is",
  },
  {
    design: "same what, (epoch, generation) >= status.run's, not firm",
    when: "it has no end",
    run: {},
    report: mine,
    becomes: "the run",
  },
  {
    design: "same what, (epoch, generation) >= status.run's, not firm",
    when: "it was sent for a later generation",
    run: {},
    report: { ...mine, generation: 5 },
    becomes: "the run",
  },
  {
    design: "same what, (epoch, generation) >= status.run's, not firm",
    when: "it was declared earlier and carried on to this one",
    run: {},
    report: { ...mine, declared: 1, generation: 4 },
    becomes: "the run",
  },
  {
    design: "same what, (epoch, generation) >= status.run's, not firm",
    when: "it is of a higher epoch, at a lower generation",
    run: {},
    report: { ...mine, epoch: 1, generation: 1 },
    becomes: "the run",
  },
  ...(["Expired", "Skipped", "Unknown"] as const).map((outcome): Row => ({
    design: "write status, also over Unknown and Expired",
    when: `it is ${outcome}`,
    run: { outcome, started: "Unknown" },
    report: mine,
    becomes: "the run",
  })),
  {
    design: "write status, also over Unknown and Expired",
    when: "it is Failed because the node was away",
    run: { outcome: "Failed", reason: "NodeAway", started: "Unknown" },
    report: mine,
    becomes: "the run",
  },
  {
    design: "same what",
    when: "the status's run has no rerun, which matches any",
    run: {},
    report: { ...mine, rerun: "a" },
    becomes: "the run",
  },
  {
    design: "anything else",
    when: "it has a rerun, and is of a later state than the cluster has",
    run: {},
    report: { ...mine, rerun: "a", generation: 6 },
    becomes: "history",
  },
  {
    design: "anything else",
    when: "it is another revision",
    run: {},
    report: { ...mine, revision: `v1:${"0".repeat(32)}` },
    becomes: "history",
  },
  {
    design: "anything else",
    when: "it is another rerun",
    run: { rerun: "b" },
    report: { ...mine, rerun: "a" },
    becomes: "history",
  },
  {
    design: "anything else",
    when: "it is of a lower generation",
    run: {},
    report: { ...mine, declared: 1, generation: 2 },
    becomes: "history",
  },
  {
    design: "anything else",
    when: "it is of a lower epoch, at a higher generation",
    run: { epoch: 1 },
    report: { ...mine, generation: 5 },
    becomes: "history",
  },
  {
    design: "anything else",
    when: "the status's run is firm and another",
    run: firm,
    report: { ...mine, runID: OTHER_RUN },
    becomes: "history",
  },
];

test.each(rows)("$design: $when -> $becomes", ({ run, report, becomes }) => {
  const spec = { rerun: run.rerun ?? "" };
  const command = withRun(edgeCommand({ generation: 5, spec }), { declared: 3, ...run });
  const told = runReport(command, report);
  const { writeStatus } = plan(observed(command, { reports: [told] }));
  const status = writeStatus ?? command.status;
  const isRun = status.run?.runID === told.runID && status.run.outcome === "Succeeded";
  const inHistory = status.history?.some(({ runID }) => runID === told.runID) === true;
  expect({ isRun, inHistory }).toEqual({
    isRun: becomes !== "history",
    inHistory: becomes === "history",
  });
  if (becomes === "as it is") expect(status.run).toEqual(command.status.run);
});

describe("a report that is in the history", () => {
  test("is there once, however often it comes", () => {
    const command = withRun(edgeCommand({ generation: 5 }), { declared: 3 });
    const told = runReport(command, { declared: 1, generation: 2, runID: OTHER_RUN });
    const once = plan(observed(command, { reports: [told, told] })).writeStatus;
    expect(once?.history).toHaveLength(1);
    const again = { ...command, status: once ?? command.status };
    expect(plan(observed(again, { reports: [told] })).writeStatus?.history).toBe(undefined);
  });

  test("takes the place of what was said there without the node", () => {
    const expired = withRun(edgeCommand(), { outcome: "Expired", started: "Unknown" });
    const next = {
      ...edgeCommand({ generation: 2, spec: { args: ["df"] } }),
      status: expired.status,
    };
    const declared = plan(observed(next)).writeStatus;
    expect(declared?.history).toMatchObject([{ outcome: "Expired", started: "Unknown" }]);
    const told = { ...next, status: declared ?? next.status };
    const { writeStatus } = plan(observed(told, { reports: [runReport(edgeCommand())] }));
    expect(writeStatus?.history).toMatchObject([{ outcome: "Succeeded", started: "True" }]);
    expect(writeStatus?.history).toHaveLength(1);
  });

  test("of an earlier run never touches the status of one that has ended", () => {
    const ended = finished(edgeCommand({ generation: 5 }));
    const told = runReport(ended, { declared: 1, generation: 2, runID: OTHER_RUN });
    const { writeStatus } = plan(observed(ended, { reports: [told] }));
    expect(writeStatus?.run).toEqual(ended.status.run);
  });
});

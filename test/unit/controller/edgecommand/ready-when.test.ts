import { describe, expect, test } from "vitest";

import type { EdgeCommandSpec } from "../../../../src/api/v1alpha1/edgecommand.ts";
import type { Phase } from "../../../../src/api/v1alpha1/edgecommand-status.ts";
import type { Observed } from "../../../../src/controller/edgecommand/observe.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import type { RunResult } from "../../../../src/protocol/run.ts";
import {
  edgeCommand,
  observed,
  runReport,
  runResult,
  SESSION_ID,
} from "../../../support/builders.ts";
import { after, answered, asked, away, late } from "./planning.ts";

/** What kstatus is told: that it is Ready, or why it is not. Current: nothing at all. */
type Readiness = "Ready" | "Reconciling" | "Stalled" | "Current";

interface Row {
  readonly phase: Phase;
  readonly why?: string;
  readonly spec?: Partial<EdgeCommandSpec>;
  readonly seen: Partial<Observed>;
  /** Accepted, Completed, Succeeded: whatever readyWhen is. */
  readonly truth: readonly [string, string, string];
  /** With readyWhen Succeeded, Accepted, Declared. */
  readonly ready: readonly [Readiness, Readiness, Readiness];
}

const sample = edgeCommand();
const underWay = (state: "Accepted" | "Running"): Partial<Observed> => ({
  exchange: answered(runReport(sample, { state })),
  ...late,
});
const result = (overrides: Partial<RunResult>): Partial<Observed> => ({
  reports: [runReport(sample, { result: runResult(overrides) })],
});
const later = { now: Date.parse("2036-01-01T00:00:00.000Z") };
const lost = { ...asked, inFlight: false, ledgerLostIn: SESSION_ID };
const row = { uid: sample.metadata.uid, epoch: 0, generation: 9 };
const ahead = { ...asked, inFlight: false, ahead: { kind: "nodeIsAhead", row } } as const;

const UNDER_WAY = ["False", "False", "Unknown"] as const;
const TAKEN = ["True", "False", "Unknown"] as const;

const rows: readonly Row[] = [
  {
    phase: "Suspended",
    spec: { suspend: true },
    seen: {},
    truth: UNDER_WAY,
    ready: ["Current", "Current", "Current"],
  },
  {
    phase: "WaitingForNode",
    seen: away,
    truth: UNDER_WAY,
    ready: ["Reconciling", "Reconciling", "Ready"],
  },
  {
    phase: "Sent",
    seen: { exchange: asked, ...late },
    truth: UNDER_WAY,
    ready: ["Reconciling", "Reconciling", "Ready"],
  },
  {
    phase: "Sent",
    why: "NodeIsAhead",
    seen: { exchange: ahead },
    truth: UNDER_WAY,
    ready: ["Stalled", "Stalled", "Ready"],
  },
  {
    phase: "Accepted",
    seen: underWay("Accepted"),
    truth: TAKEN,
    ready: ["Reconciling", "Ready", "Ready"],
  },
  {
    phase: "Running",
    seen: underWay("Running"),
    truth: TAKEN,
    ready: ["Reconciling", "Ready", "Ready"],
  },
  {
    phase: "Succeeded",
    seen: result({}),
    truth: ["True", "True", "True"],
    ready: ["Ready", "Ready", "Ready"],
  },
  ...(["Failed", "TimedOut", "Interrupted"] as const).map((outcome): Row => ({
    phase: outcome,
    seen: result({ outcome }),
    truth: ["True", "True", "False"],
    ready: ["Stalled", "Ready", "Ready"],
  })),
  {
    phase: "Rejected",
    seen: result({ outcome: "Rejected", started: "False" }),
    truth: ["True", "True", "False"],
    ready: ["Stalled", "Stalled", "Ready"],
  },
  {
    phase: "Failed",
    why: "NodeAway",
    spec: { offlinePolicy: "Fail" },
    seen: away,
    truth: ["False", "True", "False"],
    ready: ["Stalled", "Stalled", "Ready"],
  },
  {
    phase: "Expired",
    why: "without the node's word",
    spec: { startDeadline: "1s" },
    seen: { ...away, ...later },
    truth: ["False", "True", "False"],
    ready: ["Stalled", "Stalled", "Ready"],
  },
  {
    phase: "Expired",
    why: "on the node",
    seen: result({ outcome: "Expired", started: "False" }),
    truth: ["True", "True", "False"],
    ready: ["Stalled", "Ready", "Ready"],
  },
  {
    phase: "Unknown",
    why: "LedgerLost",
    seen: { exchange: lost },
    truth: ["False", "True", "Unknown"],
    ready: ["Stalled", "Stalled", "Ready"],
  },
  {
    phase: "Unknown",
    why: "NodeSilent",
    seen: { ...underWay("Running"), ...away, ...later },
    truth: ["True", "True", "Unknown"],
    ready: ["Stalled", "Ready", "Ready"],
  },
  {
    phase: "Cancelled",
    seen: result({ outcome: "Cancelled" }),
    truth: ["True", "True", "False"],
    ready: ["Ready", "Ready", "Ready"],
  },
  {
    phase: "Cancelled",
    why: "born so",
    spec: { cancel: true },
    seen: {},
    truth: ["False", "True", "False"],
    ready: ["Ready", "Ready", "Ready"],
  },
  {
    phase: "Skipped",
    spec: { offlinePolicy: "Skip" },
    seen: away,
    truth: ["False", "True", "False"],
    ready: ["Ready", "Ready", "Ready"],
  },
];

const CLAIMS: Readonly<Record<Readiness, Readonly<Record<string, string>>>> = {
  Ready: { Ready: "True" },
  Reconciling: { Ready: "False", Reconciling: "True" },
  Stalled: { Ready: "False", Stalled: "True" },
  Current: {},
};

describe.each([
  ["Succeeded", 0],
  ["Accepted", 1],
  ["Declared", 2],
] as const)("with readyWhen %s", (readyWhen, index) => {
  test.each(rows.map((each) => ({ why: "", ...each })))("$phase $why", (row_) => {
    const { phase, spec, seen, truth, ready } = row_;
    const { status } = after(edgeCommand({ spec: { readyWhen, ...spec } }), seen);
    expect(status.phase).toBe(phase);
    const [accepted, completed, succeeded] = truth;
    const conditions = status.conditions ?? [];
    expect(Object.fromEntries(conditions.map(({ type, status: is }) => [type, is]))).toEqual({
      Accepted: accepted,
      Completed: completed,
      Succeeded: succeeded,
      ...CLAIMS[ready[index]],
    });
    expect(new Set(conditions.map(({ observedGeneration }) => observedGeneration))).toEqual(
      new Set([1]),
    );
  });
});

describe("readyWhen Declared", () => {
  const command = edgeCommand({ spec: { readyWhen: "Declared" } });

  test("is said at once, before anything is sent, at the price of one write", () => {
    const { writeStatus, offer } = plan(observed(command));
    expect(writeStatus).toMatchObject({ phase: "Sent", observedGeneration: 1 });
    expect(offer).toMatchObject({ message: "command", readLive: false });
  });

  test("is said once: what follows within a second is written when it has lasted", () => {
    const declared = after(command);
    expect(plan(observed(declared, { exchange: asked })).writeStatus).toBeUndefined();
    expect(plan(observed(declared, { exchange: asked, ...late })).writeStatus).toBeDefined();
  });
});

test("every phase but Pending has its row", () => {
  const covered = new Set(rows.map(({ phase }) => phase));
  expect(covered.size).toBe(14);
});

import { beforeAll, describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import {
  edgeCommandStatus,
  PHASES,
  type Phase,
} from "../../../src/api/v1alpha1/edgecommand-status.ts";
import { NEW_EXCHANGE, type Observed } from "../../../src/controller/edgecommand/observe.ts";
import { SETTLE_MS } from "../../../src/controller/edgecommand/offering.ts";
import { plan } from "../../../src/controller/edgecommand/plan.ts";
import { unreadableStatus } from "../../../src/controller/edgecommand/status.ts";
import type { RunReport, RunResult } from "../../../src/protocol/run.ts";
import {
  CREATED,
  edgeCommand,
  NODE_GRACE_MS,
  NOW,
  observed,
  runReport,
  runResult,
} from "../../support/builders.ts";
import { kstatusOf } from "../../support/kstatus.ts";
import { TOOL_BUILD_TIMEOUT_MS } from "../../support/test-tools.ts";

type ReadyWhen = EdgeCommand["spec"]["readyWhen"];
type Verdict = "InProgress" | "Current" | "Failed";
type Terms = Partial<EdgeCommand["spec"]>;

/** What kstatus is to say in each phase. */
const VERDICTS: Readonly<Record<Phase, Readonly<Record<ReadyWhen, Verdict>>>> = {
  Pending: { Succeeded: "InProgress", Accepted: "InProgress", Declared: "InProgress" },
  Suspended: { Succeeded: "Current", Accepted: "Current", Declared: "Current" },
  WaitingForNode: { Succeeded: "InProgress", Accepted: "InProgress", Declared: "Current" },
  Sent: { Succeeded: "InProgress", Accepted: "InProgress", Declared: "Current" },
  Accepted: { Succeeded: "InProgress", Accepted: "Current", Declared: "Current" },
  Running: { Succeeded: "InProgress", Accepted: "Current", Declared: "Current" },
  Succeeded: { Succeeded: "Current", Accepted: "Current", Declared: "Current" },
  Failed: { Succeeded: "Failed", Accepted: "Current", Declared: "Current" },
  TimedOut: { Succeeded: "Failed", Accepted: "Current", Declared: "Current" },
  Rejected: { Succeeded: "Failed", Accepted: "Failed", Declared: "Current" },
  Interrupted: { Succeeded: "Failed", Accepted: "Current", Declared: "Current" },
  Expired: { Succeeded: "Failed", Accepted: "Failed", Declared: "Current" },
  Cancelled: { Succeeded: "Current", Accepted: "Current", Declared: "Current" },
  Skipped: { Succeeded: "Current", Accepted: "Current", Declared: "Current" },
  Unknown: { Succeeded: "Failed", Accepted: "Current", Declared: "Current" },
};

const DAY_MS = 86_400_000;
const away = { node: { kind: "notFound" }, silentMs: NODE_GRACE_MS } as const;

/** Asked so long ago that what has become of it is worth a write. */
const lasting = {
  exchange: { ...NEW_EXCHANGE, tries: 1, firstTryAt: 10_000, inFlight: true },
  monotonic: 10_000 + SETTLE_MS,
} as const;

function underWay(spec: Terms, state: "Accepted" | "Running"): Observed {
  const command = edgeCommand({ spec });
  const report = runReport(command, { state });
  return observed(command, {
    ...lasting,
    exchange: { ...lasting.exchange, inFlight: false, report, confirmed: true },
  });
}

function ended(spec: Terms, result: Partial<RunResult>, report: Partial<RunReport> = {}): Observed {
  const command = edgeCommand({ spec });
  const reported = runReport(command, { ...report, result: runResult(result) });
  return observed(command, { reports: [reported] });
}

/** What the controller has before it when it puts a command into a phase. */
const SITUATIONS: Readonly<Record<Exclude<Phase, "Pending">, (spec: Terms) => Observed>> = {
  Suspended: (spec) => observed(edgeCommand({ spec: { ...spec, suspend: true } })),
  WaitingForNode: (spec) => observed(edgeCommand({ spec }), away),
  Sent: (spec) => observed(edgeCommand({ spec }), lasting),
  Accepted: (spec) => underWay(spec, "Accepted"),
  Running: (spec) => underWay(spec, "Running"),
  Succeeded: (spec) => ended(spec, {}),
  Failed: (spec) =>
    ended(spec, {
      outcome: "Failed",
      exitCode: 3,
      reason: "NonZeroExit",
      message: "No such disk.",
    }),
  TimedOut: (spec) => ended(spec, { outcome: "TimedOut", reason: "Timeout" }),
  Rejected: (spec) =>
    ended(
      spec,
      { outcome: "Rejected", started: "False", reason: "UnknownMethod" },
      { attempts: 0 },
    ),
  Interrupted: (spec) =>
    ended(spec, { outcome: "Interrupted", started: "Unknown", reason: "MachineRestarted" }),
  Expired: (spec) =>
    observed(edgeCommand({ spec: { ...spec, startDeadline: "1h" } }), {
      ...away,
      now: Date.parse(CREATED) + DAY_MS,
    }),
  Cancelled: (spec) =>
    ended({ ...spec, cancel: true }, { outcome: "Cancelled", reason: "Cancelled" }),
  Skipped: (spec) => observed(edgeCommand({ spec: { ...spec, offlinePolicy: "Skip" } }), away),
  Unknown: (spec) => ({ ...underWay(spec, "Running"), ...away, now: NOW + DAY_MS }),
};

/** The object as it is in etcd once the controller has done what it does in such a situation. */
function written(situation: Observed): EdgeCommand {
  const status = plan(situation).writeStatus;
  if (status === undefined) throw new Error("nothing was written");
  return { ...situation.command, status };
}

function commandIn(phase: Phase, readyWhen: ReadyWhen = "Succeeded"): EdgeCommand {
  if (phase !== "Pending") return written(SITUATIONS[phase]({ readyWhen }));
  return edgeCommand({ spec: { readyWhen }, status: edgeCommandStatus.parse(undefined) });
}

/** The same resource after its spec was edited, before the controller has looked. */
function edited(command: EdgeCommand): EdgeCommand {
  const { metadata } = command;
  return { ...command, metadata: { ...metadata, generation: metadata.generation + 1 } };
}

const READY_WHEN = ["Succeeded", "Accepted", "Declared"] as const satisfies readonly ReadyWhen[];

beforeAll(async () => {
  await kstatusOf([]);
}, TOOL_BUILD_TIMEOUT_MS);

describe.each(PHASES)("a command that is %s", (phase) => {
  test.each(READY_WHEN)("is to kstatus what DESIGN says, ready when %s", async (readyWhen) => {
    const command = commandIn(phase, readyWhen);
    expect(command.status.phase).toBe(phase);
    expect(await kstatusOf([command])).toMatchObject([{ status: VERDICTS[phase][readyWhen] }]);
  });

  test("is in progress to kstatus once it was edited, until the controller has seen that", async () => {
    const commands = READY_WHEN.map((readyWhen) => edited(commandIn(phase, readyWhen)));
    expect(await kstatusOf(commands)).toMatchObject(
      commands.map(() => ({
        status: "InProgress",
        message: expect.stringContaining("generation is 2"),
      })),
    );
  });
});

describe("kstatus", () => {
  test("says of a command that failed what the node told", async () => {
    expect(await kstatusOf([commandIn("Failed")])).toEqual([
      { status: "Failed", message: expect.stringContaining("No such disk.") },
    ]);
  });

  test("says of a command that waits for what it waits", async () => {
    expect(await kstatusOf([commandIn("WaitingForNode")])).toEqual([
      { status: "InProgress", message: expect.stringContaining('no EdgeNode "ship1"') },
    ]);
  });

  test("takes a command that waited and was then suspended for current, and a resumed one not", async () => {
    const { spec, status } = commandIn("WaitingForNode");
    const suspend = { generation: 2, spec: { ...spec, suspend: true }, status };
    const suspended = written(observed(edgeCommand(suspend), away));
    const resume = { generation: 3, spec, status: suspended.status };
    const resumed = written(observed(edgeCommand(resume), away));
    expect(await kstatusOf([suspended, resumed])).toMatchObject([
      { status: "Current" },
      { status: "InProgress" },
    ]);
  });

  test("takes a cluster that is behind its node, and an unreadable spec, for failed", async () => {
    const ahead = { kind: "superseded" } as const;
    const exchange = { ...lasting.exchange, inFlight: false, ahead };
    const behind = written(observed(edgeCommand(), { ...lasting, exchange }));
    const command = edgeCommand();
    const unreadable = { ...command, status: unreadableStatus(command, "spec.method?", CREATED) };
    expect(await kstatusOf([behind, unreadable])).toMatchObject([
      { status: "Failed", message: expect.stringContaining("restored") },
      { status: "Failed", message: "spec.method?" },
    ]);
  });
});

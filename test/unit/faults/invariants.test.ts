import { describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import type { Declared, Evidence, RunStatus, Version } from "../../faults/evidence.ts";
import {
  atMostOnce,
  attemptsAreCounted,
  oneStartEachRun,
} from "../../faults/invariants/at-most-once.ts";
import { violationsIn } from "../../faults/invariants/check.ts";
import { terminalIsFirm } from "../../faults/invariants/firm.ts";
import { nobodyCrashed, nothingLeftRunning } from "../../faults/invariants/processes.ts";
import { allIsSettled, noFinalizers } from "../../faults/invariants/settled.ts";
import {
  endsAreTrue,
  expiredOnlyByDeadline,
  falseMeansNever,
  interruptedOnlyByTheMachine,
  nothingUnknown,
  outcomesFit,
  outputIsOwn,
} from "../../faults/invariants/truthful.ts";

/** What was done to `ship1` is done to the node of the one command that there is. */
const NODE = "ship1";

function run(fields: object = {}): RunStatus {
  return {
    declared: 1,
    revision: "v1:1",
    runID: "run-1",
    started: "True",
    outcome: "Succeeded",
    exitCode: 0,
    stdout: { text: "ec-1/1-quick run-1\ndone\n" },
    reason: "Completed",
    ...fields,
  } as unknown as RunStatus;
}

function command(
  of: RunStatus | undefined,
  fields: object = {},
  metadata: object = {},
): EdgeCommand {
  return {
    metadata: { name: "ec-1", uid: "uid-1", generation: 1, ...metadata },
    spec: { nodeName: NODE },
    status: { observedGeneration: 1, phase: of?.outcome ?? "Running", run: of, ...fields },
  } as unknown as EdgeCommand;
}

function open(fields: object): EdgeCommand {
  return command(undefined, fields);
}

function version(of: RunStatus, fields: Partial<Version> = {}): Version {
  return {
    atMs: 0,
    restores: 0,
    deleted: false,
    name: "ec-1",
    uid: "uid-1",
    generation: 1,
    phase: of.outcome ?? "Running",
    run: of,
    history: [],
    ...fields,
  };
}

function declared(fields: Partial<Declared> = {}): ReadonlyMap<string, Declared> {
  const what: Declared = {
    token: "ec-1/1-quick",
    name: "ec-1",
    node: NODE,
    kind: "quick",
    declarations: 1,
    attempts: 1,
    hasDeadline: false,
    ...fields,
  };
  return new Map([[what.token, what]]);
}

const ran = { node: NODE, token: "ec-1/1-quick", runID: "run-1" };

/** One quick command that ran once and says so, and what is different from that. */
function evidence(different: Partial<Evidence> = {}): Evidence {
  return {
    truth: [ran],
    declared: declared(),
    final: [command(run())],
    versions: [version(run())],
    faults: [],
    exits: [],
    leftovers: [],
    ...different,
  };
}

function fault(
  name: Evidence["faults"][number]["fault"],
  target: string = NODE,
): Evidence["faults"] {
  return [{ fault: name, target, fromMs: 0, toMs: 1 }];
}

test("a history in order violates nothing", () => {
  expect(violationsIn(evidence())).toEqual([]);
});

describe("at most once", () => {
  test("a second run that nobody asked for", () => {
    const truth = [ran, { ...ran, runID: "run-2" }];
    expect(atMostOnce(evidence({ truth }))).toEqual([
      "ec-1/1-quick ran 2 times, declared for 1: run-1, run-2",
    ]);
    expect(atMostOnce(evidence({ truth, declared: declared({ declarations: 2 }) }))).toEqual([]);
  });

  test("a run on another node, or of something that was never declared", () => {
    expect(atMostOnce(evidence({ truth: [{ ...ran, node: "ship2" }] }))).toEqual([
      "ec-1/1-quick of ship1 ran on ship2",
    ]);
    expect(atMostOnce(evidence({ truth: [{ ...ran, token: "torn" }] }))).toEqual([
      "torn ran, which nobody declared",
    ]);
  });

  test("a run that is started twice, unless it may be tried again", () => {
    const truth = [ran, ran];
    const twice = declared({ declarations: 2 });
    expect(oneStartEachRun(evidence({ truth, declared: twice }))).toEqual([
      "run run-1 of ec-1/1-quick started 2 times",
    ]);
    const tries = declared({ attempts: 2 });
    expect(oneStartEachRun(evidence({ truth, declared: tries }))).toEqual([]);
  });

  test("more starts than the status tells of", () => {
    const truth = [ran, ran];
    const final = [command(run({ attempts: 1 }))];
    expect(attemptsAreCounted(evidence({ truth, final }))).toEqual([
      "ec-1: run run-1 tells of 1 attempts, and started 2 times",
    ]);
    const both = [command(run({ attempts: 2 }))];
    expect(attemptsAreCounted(evidence({ truth, final: both }))).toEqual([]);
  });

  test("one run id for two things, and a run without one", () => {
    const truth = [ran, { ...ran, token: "ec-2/1-quick" }, { ...ran, runID: "" }];
    expect(oneStartEachRun(evidence({ truth }))).toEqual([
      "run run-1 is of ec-1/1-quick and ec-2/1-quick",
      "ec-1/1-quick ran without a run id",
    ]);
  });
});

describe("the truth of what is told", () => {
  test("started False of a run that ran, be it said for a moment only", () => {
    const told = run({ started: "False", outcome: "Cancelled" });
    expect(falseMeansNever(evidence({ versions: [version(told)] }))).toHaveLength(1);
    expect(falseMeansNever(evidence({ versions: [version(told)], truth: [] }))).toEqual([]);
  });

  test("an end of a run that never ran, and a run of another resource", () => {
    expect(endsAreTrue(evidence({ truth: [] }))).toEqual([
      "ec-1: run run-1 Succeeded and never ran",
    ]);
    const foreign = declared({ name: "ec-2" });
    expect(endsAreTrue(evidence({ declared: foreign }))).toEqual([
      "ec-1 tells of run run-1, which is of ec-2",
    ]);
  });

  test("an end that the script does not have", () => {
    const final = [command(run({ outcome: "TimedOut", exitCode: undefined }))];
    expect(outcomesFit(evidence({ final }))).toHaveLength(1);
    const versions = [version(run({ outcome: "Failed", exitCode: 3 }))];
    expect(outcomesFit(evidence({ versions }))).toHaveLength(1);
    const between = [command(run({ outcome: "Cancelled", exitCode: undefined }))];
    expect(outcomesFit(evidence({ final: between }))).toEqual([]);
  });

  test("somebody else's output", () => {
    const final = [command(run({ stdout: { text: "ec-2/1-quick run-2\n" } }))];
    expect(outputIsOwn(evidence({ final }))).toHaveLength(1);
  });

  test("Interrupted where no machine died", () => {
    const final = [command(run({ outcome: "Interrupted", reason: "MachineRestarted" }))];
    expect(interruptedOnlyByTheMachine(evidence({ final }))).toHaveLength(1);
    for (const [name, target] of [
      ["kill", NODE],
      ["disk-full", NODE],
      ["machine-death", "ship2"],
      ["link-silence", NODE],
    ] as const) {
      const faults = fault(name, target);
      expect(interruptedOnlyByTheMachine(evidence({ final, faults })), name).toHaveLength(1);
    }
    const death = evidence({ final, faults: fault("machine-death") });
    expect(interruptedOnlyByTheMachine(death)).toEqual([]);
  });

  test("Unknown, after everything has healed", () => {
    const final = [command(run({ outcome: "Unknown", started: "Unknown" }))];
    expect(nothingUnknown(evidence({ final, faults: fault("link-silence") }))).toEqual([
      "ec-1: run run-1 is Unknown; ship1 had link-silence",
    ]);
  });

  test("Expired without a deadline", () => {
    const final = [command(run({ outcome: "Expired", started: "Unknown" }))];
    expect(expiredOnlyByDeadline(evidence({ final }))).toEqual([
      "ec-1 expired, without a deadline",
    ]);
    const hasty = declared({ hasDeadline: true });
    expect(expiredOnlyByDeadline(evidence({ final, declared: hasty }))).toEqual([]);
  });
});

describe("terminal is firm", () => {
  const failed = version(run({ outcome: "Failed", exitCode: 3 }));

  test("another end, or none, after an end", () => {
    expect(terminalIsFirm(evidence({ versions: [version(run()), failed] }))).toHaveLength(1);
    const reopened = [version(run()), version(run({ outcome: undefined }))];
    expect(terminalIsFirm(evidence({ versions: reopened }))).toHaveLength(1);
  });

  test("the node's word replaces what was said without it, once", () => {
    const unheard = version(run({ outcome: "Expired", started: "Unknown", runID: undefined }));
    expect(terminalIsFirm(evidence({ versions: [unheard, version(run())] }))).toEqual([]);
    const twice = [unheard, version(run()), failed];
    expect(terminalIsFirm(evidence({ versions: twice }))).toHaveLength(1);
  });

  test("another run, another resource and a restored cluster are other stories", () => {
    const later = version(run({ declared: 2, outcome: "Failed" }));
    const other = { ...failed, uid: "uid-2" };
    const restored = { ...failed, restores: 1 };
    const versions = [version(run()), later, other, restored];
    expect(terminalIsFirm(evidence({ versions }))).toEqual([]);
  });
});

describe("what is owed", () => {
  test("a command that has not ended, or whose last edit nobody has looked at", () => {
    expect(allIsSettled(evidence({ final: [open({ phase: "Sent" })] }))).toHaveLength(1);
    expect(allIsSettled(evidence({ final: [command(run(), {}, { generation: 2 })] }))).toHaveLength(
      1,
    );
  });

  test("what may stay open", () => {
    const nowhere = {
      ...open({ phase: "WaitingForNode" }),
      spec: { nodeName: "nowhere" },
    } as EdgeCommand;
    expect(allIsSettled(evidence({ final: [open({ phase: "Suspended" }), nowhere] }))).toEqual([]);
    const behind = open({ phase: "Sent", run: run({ outcome: undefined, reason: "NodeIsAhead" }) });
    expect(allIsSettled(evidence({ final: [behind] }))).toHaveLength(1);
    const faults = fault("etcd-restore", "etcd");
    expect(allIsSettled(evidence({ final: [behind], faults }))).toEqual([]);
  });

  test("a command that has outlived its time to live", () => {
    const spec = { nodeName: NODE, ttlAfterFinished: "1s" };
    const final = [{ ...command(run()), spec } as unknown as EdgeCommand];
    expect(allIsSettled(evidence({ final }))).toHaveLength(1);
  });

  test("a deletion that hangs", () => {
    const final = [command(run(), {}, { deletionTimestamp: "2026-01-01T00:00:00Z" })];
    expect(noFinalizers(evidence({ final }))).toEqual(["ec-1 hangs in its deletion"]);
  });
});

describe("processes", () => {
  const leftovers = [{ pid: 1, runID: "run-1", commandLine: "sleep 90" }];

  test("something of a run that was ended by force", () => {
    for (const outcome of ["TimedOut", "Cancelled"]) {
      const final = [command(run({ outcome }))];
      expect(nothingLeftRunning(evidence({ final, leftovers })), outcome).toHaveLength(1);
    }
    expect(nothingLeftRunning(evidence({ leftovers }))).toEqual([]);
  });

  test("a program that ended by itself without having to", () => {
    const ended = { atMs: 5, code: 1, signal: null };
    const exits = [
      { ...ended, process: NODE },
      { ...ended, process: "c1", code: null, signal: "SIGSEGV" },
    ];
    expect(nobodyCrashed(evidence({ exits }))).toEqual([
      "ship1 ended with 1 at 5 ms",
      "c1 ended with SIGSEGV at 5 ms",
    ]);
    const faults = fault("disk-full");
    const must = [ended, ended].map((exit, index) => ({ ...exit, process: index ? "c1" : NODE }));
    expect(nobodyCrashed(evidence({ exits: must, faults }))).toEqual([]);
  });
});

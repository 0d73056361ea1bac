import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Permission } from "../../../src/agent/command-permits.ts";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import type { OpenRun } from "../../../src/agent/ledger-run.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import type { Method } from "../../../src/agent/methods/method.ts";
import { REPLACED, type RunEnd } from "../../../src/agent/run-end.ts";
import { RunExecutor } from "../../../src/agent/run-executor.ts";
import { RunRecorder } from "../../../src/agent/run-recorder.ts";
import { RunSpool } from "../../../src/agent/run-spool.ts";
import type { AgentStep } from "../../../src/agent/steps.ts";
import { agentSecurity } from "../../support/agent-security.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { PERMITTED } from "../../support/standings.ts";
import { CLUSTER_ID, command, type Offer } from "./controller-side.ts";

const TIME = "2026-11-24T06:00:00.000Z";
const RETRY = { retry: { limit: 1, backoffMs: 2_000, maxBackoffMs: 60_000 } };
const SUCCESS: RunEnd = { outcome: "Succeeded", started: "True", reason: "Completed", message: "" };
const FAILURE: RunEnd = { outcome: "Failed", started: "True", reason: "NonZeroExit", message: "" };

let ledger: Ledger;
let clock: FakeClock;
let executor: RunExecutor;
let recorder: RunRecorder;
let ran: string[];
let due: string[];
let waiting: [string, string | undefined, number | undefined][];
let steps: AgentStep[];
let ends: RunEnd[];
let permission: Permission;
let onStep: (step: AgentStep) => void;
let onPermission: () => Promise<void>;

/** Notes what it does and ends as the test says. */
const noted: Method = {
  name: "noted",
  problem: () => undefined,
  run: async ({ work }) => {
    ran.push(work.stdin);
    return ends.shift() ?? SUCCESS;
  },
};

beforeEach(() => {
  [ran, due, waiting, steps, ends, permission] = [[], [], [], [], [], PERMITTED];
  onStep = () => undefined;
  onPermission = () => Promise.resolve();
  clock = new FakeClock();
  const controllerClock = new ControllerClock(clock);
  controllerClock.set(Date.parse(TIME));
  ledger = Ledger.open(":memory:", randomUUID);
  const common = {
    node: "ship1",
    bootID: CLUSTER_ID,
    agentVersion: "1",
    killGraceMs: 0,
    permits: {
      permission: async () => {
        await onPermission();
        return permission;
      },
    },
    security: agentSecurity(),
    methods: [noted],
    ledger,
    clock,
    controllerClock,
    random: () => 1,
    logger: new RecordingLogger(),
    spool: new RunSpool(join(tmpdir(), randomUUID())),
    steps: {
      reached: (step: AgentStep) => {
        steps.push(step);
        onStep(step);
      },
    },
    onResult: (runID: string) => void due.push(runID),
    onWaiting: ({ runID }: { runID: string }, notBefore?: string, maxPauseMs?: number) =>
      void waiting.push([runID, notBefore, maxPauseMs]),
  };
  recorder = new RunRecorder(common);
  executor = new RunExecutor({ ...common, recorder });
});
afterEach(() => {
  ledger.close();
});

async function accepted(offer: Offer = {}): Promise<string> {
  const runID = randomUUID();
  const work = { method: "noted", args: [], stdin: runID };
  await ledger.commit((tables) => {
    tables.insertRun(runID, command({ ...offer, work }), TIME);
    tables.setCurrent(runID, undefined);
  });
  return runID;
}

/** A run that an attempt was committed to. */
async function underWay(offer: Offer = {}): Promise<OpenRun> {
  const runID = await accepted(offer);
  return ledger.commit((tables) => {
    tables.markStarting(runID, { bootID: CLUSTER_ID, startingAt: 0 });
    return openRun(runID);
  });
}

function openRun(runID: string): OpenRun {
  const run = ledger.read.openRun(runID);
  if (run === undefined) throw new Error("the run is over");
  return run;
}

test("a run is done once, however often it is handed over", async () => {
  const runID = await accepted();
  await Promise.all([executor.execute(runID), executor.execute(runID)]);
  await executor.execute(runID);
  expect(ran).toEqual([runID]);
  expect(due).toEqual([runID]);
});

test("a run that was withdrawn while it waited is not done", async () => {
  const runID = await accepted();
  await ledger.commit((tables) => tables.withdraw(runID, REPLACED, TIME));
  await executor.execute(runID);
  expect(ran).toEqual([]);
});

test("a run that an attempt was committed to before is not done by handing it over", async () => {
  const { runID } = await underWay();
  await executor.execute(runID);
  expect(ran).toEqual([]);
  expect(openRun(runID)).toMatchObject({ state: "Starting", attempts: 1 });
});

test("a run that an attempt is committed to while its permission is asked for is not done twice", async () => {
  const runID = await accepted();
  onPermission = () =>
    ledger.commit((tables) => tables.markStarting(runID, { bootID: CLUSTER_ID, startingAt: 0 }));
  await executor.execute(runID);
  expect(ran).toEqual([]);
  expect(openRun(runID)).toMatchObject({ state: "Starting", attempts: 1 });
});

test("after the stop nothing is started, and what waits stays accepted", async () => {
  const runID = await accepted();
  executor.stop();
  await executor.execute(runID);
  expect(ran).toEqual([]);
  expect(ledger.read.report(runID)).toMatchObject({ state: "Accepted", attempts: 0 });
});

test("what was committed to when the stop came is left to the next agent", async () => {
  const runID = await accepted();
  onStep = (step) => {
    if (step === "starting.committing") executor.stop();
  };
  await executor.execute(runID);
  expect(ran).toEqual([]);
  expect(openRun(runID)).toMatchObject({ state: "Starting", attempts: 1 });
});

const DENIED: Permission = {
  kind: "rejected",
  end: { outcome: "Rejected", started: "False", reason: "PolicyDenied", message: "Denied." },
};

test("what the policy does not allow any more when its turn comes is not done, and never was started", async () => {
  const runID = await accepted();
  permission = DENIED;
  await executor.execute(runID);
  expect(ran).toEqual([]);
  expect(due).toEqual([runID]);
  expect(ledger.read.report(runID)).toMatchObject({
    attempts: 0,
    result: { outcome: "Rejected", started: "False", reason: "PolicyDenied" },
  });
});

test("a policy that does not allow a further attempt leaves what the last one came to", async () => {
  ends = [FAILURE];
  const runID = await accepted({ terms: RETRY });
  await executor.execute(runID);
  permission = DENIED;
  await executor.execute(runID);
  expect(ran).toEqual([runID]);
  const message = " No further attempt was made. Denied.";
  expect(ledger.read.report(runID)).toMatchObject({
    attempts: 1,
    result: { outcome: "Failed", started: "True", reason: "NonZeroExit", message },
  });
});

test("while there is no policy to go by a run stays accepted, and is asked about again", async () => {
  const runID = await accepted();
  permission = { kind: "undecided", problem: "not YAML" };
  await executor.execute(runID);
  expect(ledger.read.report(runID)).toMatchObject({ state: "Accepted", attempts: 0 });
  // The controller's time may be set back meanwhile.
  expect(waiting).toEqual([[runID, "2026-11-24T06:00:10.000Z", 10_000]]);
  permission = PERMITTED;
  await executor.execute(runID);
  expect(ran).toEqual([runID]);
});

test.each([
  { startBy: "2026-11-24T06:00:00.000Z", starts: true },
  { startBy: "2026-11-24T05:59:59.999Z", starts: false },
])("with the start deadline $startBy it is started: $starts", async ({ startBy, starts }) => {
  const runID = await accepted();
  const other = await accepted({ name: "other", terms: { startBy } });
  await executor.execute(runID);
  await executor.execute(other);
  expect(ran).toEqual(starts ? [runID, other] : [runID]);
  const { result } = ledger.read.report(other);
  if (!starts) expect(result).toMatchObject({ outcome: "Expired", started: "False" });
});

describe("an attempt that failed", () => {
  test("is followed by another, later, within the limit", async () => {
    ends = [FAILURE, FAILURE];
    const runID = await accepted({ terms: RETRY });
    await executor.execute(runID);
    expect(waiting).toEqual([[runID, "2026-11-24T06:00:02.000Z", 60_000]]);
    expect(ledger.read.report(runID)).toMatchObject({ state: "Accepted", attempts: 1 });
    await executor.execute(runID);
    expect(waiting).toHaveLength(1);
    expect(ran).toEqual([runID, runID]);
    expect(due).toEqual([runID]);
    expect(ledger.read.report(runID)).toMatchObject({
      state: "Finished",
      attempts: 2,
      result: { outcome: "Failed" },
    });
  });

  test("is how the run ended, if the start deadline passes before the next one", async () => {
    ends = [{ ...FAILURE, exitCode: 3 }];
    const terms = { ...RETRY, startBy: "2026-11-24T06:00:05.000Z" };
    const runID = await accepted({ terms });
    await executor.execute(runID);
    await clock.advance(5_001);
    await executor.execute(runID);
    expect(ran).toEqual([runID]);
    expect(due).toEqual([runID]);
    expect(ledger.read.report(runID)).toMatchObject({
      attempts: 1,
      result: {
        outcome: "Failed",
        started: "True",
        exitCode: 3,
        finishedAt: TIME,
        message: " No further attempt was made: its start deadline passed.",
      },
    });
  });

  test("has no other one if it was withdrawn meanwhile, and the run is over with what it came to", async () => {
    const run = await underWay({ terms: RETRY });
    await ledger.commit((tables) => tables.withdraw(run.runID, REPLACED, TIME));
    await recorder.ended(run, { ...FAILURE, exitCode: 3 });
    expect(waiting).toEqual([]);
    expect(due).toEqual([run.runID]);
    expect(ledger.read.report(run.runID).result).toMatchObject({
      outcome: "Cancelled",
      started: "True",
      exitCode: 3,
    });
  });
});

test("an attempt that was not made does not count, and the run waits again", async () => {
  const run = await underWay();
  await recorder.neverStarted(run);
  expect(waiting).toEqual([[run.runID, undefined, 600_000]]);
  expect(ledger.read.report(run.runID)).toMatchObject({ state: "Accepted", attempts: 0 });
});

test("what an earlier agent left in another boot is not taken up", async () => {
  const runID = await accepted();
  const bootID = randomUUID();
  await ledger.commit((tables) => tables.markStarting(runID, { bootID, startingAt: 0 }));
  await executor.reattach(runID);
  expect(steps).toEqual([]);
  expect(openRun(runID).state).toBe("Starting");
});

test("the steps of a run are told in their order", async () => {
  ends = [FAILURE];
  const runID = await accepted({ terms: RETRY });
  await executor.execute(runID);
  const start = ["starting.committing", "starting.committed", "exit.noticed"];
  expect(steps).toEqual([...start, "retry.committing", "retry.committed", "spool.removed"]);
  steps.length = 0;
  await executor.execute(runID);
  expect(steps).toEqual([...start, "result.committing", "result.committed", "spool.removed"]);
});

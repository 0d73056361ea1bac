import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import type { Method } from "../../../src/agent/methods/method.ts";
import { AGENT_STOPPED } from "../../../src/agent/run-end.ts";
import { RunExecutor } from "../../../src/agent/run-executor.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { CLUSTER_ID, command, type Offer } from "./controller-side.ts";

const TIME = "2026-11-24T06:00:00.000Z";

let ledger: Ledger;
let executor: RunExecutor;
let ran: string[];
let due: string[];

const noted: Method = {
  name: "noted",
  problem: () => undefined,
  run: async ({ work }) => {
    ran.push(work.stdin);
    return { outcome: "Succeeded", started: "True", reason: "Completed", message: "" };
  },
};

beforeEach(() => {
  ran = [];
  due = [];
  const clock = new FakeClock();
  const controllerClock = new ControllerClock(clock);
  controllerClock.set(Date.parse(TIME));
  ledger = Ledger.open(":memory:", randomUUID);
  executor = new RunExecutor({
    node: "ship1",
    bootID: CLUSTER_ID,
    agentVersion: "1",
    killGraceMs: 0,
    account: { username: "root", homedir: "/" },
    methods: [noted],
    ledger,
    clock,
    controllerClock,
    onResult: (runID) => due.push(runID),
  });
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

test("a run is done once, however often it is handed over", async () => {
  const runID = await accepted();
  await Promise.all([executor.execute(runID), executor.execute(runID)]);
  await executor.execute(runID);
  expect(ran).toEqual([runID]);
  expect(due).toEqual([runID]);
});

test("a run that was withdrawn while it waited is not done", async () => {
  const runID = await accepted();
  await ledger.commit((tables) =>
    tables.finish(runID, {
      outcome: "Cancelled",
      started: "False",
      finishedAt: TIME,
      reason: "Replaced",
      message: "",
    }),
  );
  await executor.execute(runID);
  expect(ran).toEqual([]);
});

test("after the stop nothing is started, and what waits stays accepted", async () => {
  const runID = await accepted();
  await executor.stop(AGENT_STOPPED);
  await executor.execute(runID);
  expect(ran).toEqual([]);
  expect(ledger.read.report(runID).state).toBe("Accepted");
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

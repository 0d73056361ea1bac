import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CANCELLED } from "../../../src/agent/run-end.ts";
import { CLUSTER_ID, command, ControllerSide, revision } from "../../unit/agent/controller-side.ts";
import { EARLIER_BOOT, leave, leaveAttempt, leaveProcess, LONG_AGO } from "./left-by-an-agent.ts";
import { eventually, isAlive, runOf, World } from "./world.ts";

const AN_HOUR_MS = 3_600_000;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A script that notes its process id, says something, and ends when the file `go` is there. */
function untilGo(): string {
  const { dir } = world;
  return `echo $$ >> ${dir}/ran; echo begin; until [ -e ${dir}/go ]; do sleep 0.02; done; echo end`;
}

async function pidOf(file: string): Promise<number> {
  await eventually(() => expect(world.lines(file)).toHaveLength(1));
  return Number(world.lines(file)[0]);
}

/** No controller accepts a hello, until what this gives is called. */
function noController(): () => void {
  const reply = world.controller.helloReply;
  world.controller.helloReply = ControllerSide.unavailable;
  return () => {
    world.controller.helloReply = reply;
  };
}

describe("a command that runs when its agent stops", () => {
  test("goes on, and the next agent reports its end and all that it printed", async () => {
    const agent = await world.startReadyAgent();
    const { runID } = runOf(await world.controller.offer({ work: { args: [untilGo()] } }));
    const pid = await pidOf("ran");
    await agent.stop();
    expect(isAlive(pid)).toBe(true);
    await world.startReadyAgent();
    await world.shell(`touch ${world.path("go")}`);
    expect(await world.result(runID)).toMatchObject({
      attempts: 1,
      result: {
        outcome: "Succeeded",
        started: "True",
        exitCode: 0,
        stdout: { text: "begin\nend\n", truncated: false },
      },
    });
    expect(world.lines("ran")).toHaveLength(1);
  });

  test("may end while there is no agent, and is reported all the same", async () => {
    const agent = await world.startReadyAgent();
    const script = `${untilGo()}; exit 7`;
    const { runID } = runOf(await world.controller.offer({ work: { args: [script] } }));
    const pid = await pidOf("ran");
    await agent.stop();
    world.touch("go");
    await eventually(() => expect(isAlive(pid)).toBe(false));
    await world.startReadyAgent();
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Failed",
      exitCode: 7,
      stdout: { text: "begin\nend\n" },
    });
    expect(world.lines("ran")).toHaveLength(1);
  });

  test("is ended for a later revision by the next agent, which starts that one after it", async () => {
    const agent = await world.startReadyAgent();
    const { runID } = runOf(await world.controller.offer({ work: { args: [untilGo()] } }));
    const pid = await pidOf("ran");
    await agent.stop();
    await world.startReadyAgent();
    const next = { revision: revision("b"), generation: 2, declared: 2 };
    const script = `kill -0 ${pid} 2>/dev/null && echo beside >> ${world.path("late")}; true`;
    const later = await world.controller.offer({ ...next, work: { args: [script] } });
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Cancelled",
      started: "True",
      reason: "Replaced",
      stdout: { text: "begin\n" },
    });
    expect((await world.result(runOf(later).runID)).result.outcome).toBe("Succeeded");
    expect(world.lines("late")).toEqual([]);
  });

  test("does not keep its agent from stopping, nor what waits for it from waiting on", async () => {
    const agent = await world.startReadyAgent();
    await world.controller.offer({ work: { args: [untilGo()] } });
    await pidOf("ran");
    const next = { revision: revision("b"), generation: 2, declared: 2 };
    await agent.stop();
    expect(world.broker.subscriptions.size).toBe(3);
    await world.startReadyAgent();
    const late = await world.controller.offer({
      ...next,
      work: { args: [`echo late >> ${world.path("late")}`] },
    });
    expect((await world.result(runOf(late).runID)).result.outcome).toBe("Succeeded");
    expect(world.lines("late")).toEqual(["late"]);
  });
});

describe("an attempt of this boot that an earlier agent had started", () => {
  test("keeps its time-out: the time before this agent counts, with no controller as well", async () => {
    noController();
    const offer = { terms: { timeoutMs: AN_HOUR_MS } };
    const found = { state: "Running", startedAgoMs: AN_HOUR_MS, offer } as const;
    const { end } = await leaveProcess(world, untilGo(), found);
    const pid = await pidOf("ran");
    await world.startAgent();
    expect(await end).toMatchObject({ started: "True", signal: "SIGTERM" });
    expect(isAlive(pid)).toBe(false);
  });

  test("is timed out when its time is up, and not before", async () => {
    const offer = { terms: { timeoutMs: AN_HOUR_MS } };
    const found = { state: "Running", startedAgoMs: AN_HOUR_MS - 1_500, offer } as const;
    const { runID } = await leaveProcess(world, untilGo(), found);
    await world.startReadyAgent();
    const { result } = await world.result(runID);
    expect(result).toMatchObject({
      outcome: "TimedOut",
      reason: "Timeout",
      startedAt: LONG_AGO,
      stdout: { text: "begin\n" },
    });
    expect(result.durationMs).toBeGreaterThanOrEqual(AN_HOUR_MS);
  });

  test("is ended if it was withdrawn before this agent came", async () => {
    const { runID } = await leaveProcess(world, untilGo(), { state: "Running" });
    await pidOf("ran");
    const ledger = world.openLedger();
    await ledger.commit((tables) => tables.withdraw(runID, CANCELLED, LONG_AGO));
    ledger.close();
    await world.startReadyAgent();
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Cancelled",
      reason: "Cancelled",
      started: "True",
      stdout: { text: "begin\n" },
    });
  });

  test("is said to run as soon as the agent has found its process", async () => {
    const { runID } = await leaveProcess(world, untilGo(), { state: "Starting" });
    await world.startReadyAgent();
    await eventually(() => expect(world.statesOnDisk().get(runID)).toBe("Running"));
    world.touch("go");
    const { result, startedAt } = await world.result(runID);
    expect(result).toMatchObject({ outcome: "Succeeded", started: "True" });
    expect(startedAt).toBe(result.startedAt);
  });

  test("was not, if there is no trace of its process: it is started now, as its first attempt", async () => {
    const work = { args: [`echo ran >> ${world.path("ran")}`] };
    const runID = await leaveAttempt(world, { work }, { state: "Starting" });
    await world.startReadyAgent();
    expect(await world.result(runID)).toMatchObject({
      attempts: 1,
      result: { outcome: "Succeeded", started: "True" },
    });
    expect(world.lines("ran")).toEqual(["ran"]);
  });

  test("was not, and will not be if this agent has no such method any more", async () => {
    const work = { method: "gone", args: [] };
    const runID = await leaveAttempt(world, { work }, { state: "Starting" });
    await world.startReadyAgent();
    expect(await world.result(runID)).toMatchObject({
      attempts: 0,
      result: { outcome: "Rejected", started: "False", reason: "UnknownMethod" },
    });
  });

  test("is kept whatever its method is, and not repeated if this agent has no such method any more", async () => {
    const retry = { limit: 1, backoffMs: 1, maxBackoffMs: 1 };
    const offer = { work: { method: "gone", args: [] }, terms: { retry } };
    const { runID } = await leaveProcess(world, `${untilGo()}; exit 3`, {
      state: "Running",
      offer,
    });
    await world.startReadyAgent();
    world.touch("go");
    const { result, attempts } = await world.result(runID);
    expect(attempts).toBe(1);
    expect(result).toMatchObject({ outcome: "Failed", exitCode: 3, started: "True" });
    expect(result.message).toContain(
      "No further attempt was made: the node cannot do this any more.",
    );
  });

  test("of a method that does all in the agent is simply made again", async () => {
    const work = { method: "ping", args: [] };
    const runID = await leaveAttempt(world, { work }, { state: "Starting" });
    await world.startReadyAgent();
    expect(await world.result(runID)).toMatchObject({
      attempts: 2,
      result: { outcome: "Succeeded", stdout: { text: "pong 1.2.3\n" } },
    });
  });
});

describe("an attempt of an earlier boot", () => {
  test.each([
    { state: "Running", started: "True" },
    { state: "Starting", started: "Unknown" },
  ] as const)("that was found $state was interrupted", async ({ state, started }) => {
    const work = { args: [`echo ran >> ${world.path("ran")}`] };
    const terms = { retry: { limit: 3, backoffMs: 1, maxBackoffMs: 1 } };
    const offer = { name: "task", work, terms };
    const runID = await leaveAttempt(world, offer, { state, bootID: EARLIER_BOOT });
    await world.startReadyAgent();
    const { result, attempts } = await world.result(runID);
    expect(result).toMatchObject({ outcome: "Interrupted", started, reason: "MachineRestarted" });
    expect(result.startedAt).toBe(state === "Running" ? LONG_AGO : undefined);
    expect(attempts).toBe(1);
    const answer = await world.controller.offer(offer);
    expect(answer).toMatchObject({ answer: "known", run: { runID, state: "Finished" } });
    expect(world.lines("ran")).toEqual([]);
  });

  test("is followed by another one if it is idempotent and may be repeated", async () => {
    const work = { args: [`echo ran >> ${world.path("ran")}; exit 1`] };
    const retry = { limit: 1, backoffMs: 1, maxBackoffMs: 1 };
    const offer = { work, terms: { idempotent: true, retry } };
    const found = { state: "Running", bootID: EARLIER_BOOT } as const;
    const runID = await leaveAttempt(world, offer, found);
    await world.startReadyAgent();
    const { result, attempts, startedAt } = await world.result(runID);
    expect(result).toMatchObject({ outcome: "Failed", started: "True", exitCode: 1 });
    expect(attempts).toBe(2);
    expect(startedAt).toBe(LONG_AGO);
    expect(world.lines("ran")).toEqual(["ran"]);
  });

  test("is not recorded before the time is known", async () => {
    const answering = noController();
    const runID = await leaveAttempt(world, {}, { state: "Running", bootID: EARLIER_BOOT });
    const agent = await world.startReadyAgent();
    expect(world.statesOnDisk().get(runID)).toBe("Running");
    answering();
    agent.bus.setConnected(false);
    agent.bus.setConnected(true);
    expect((await world.result(runID)).result.outcome).toBe("Interrupted");
  });
});

describe("a run that an earlier agent had only accepted", () => {
  test("is started, once the time is known", async () => {
    const answering = noController();
    const work = { args: [`echo ran >> ${world.path("ran")}`] };
    const runID = await leave(world, { work });
    const agent = await world.startReadyAgent();
    expect(world.lines("ran")).toEqual([]);
    answering();
    agent.bus.setConnected(false);
    agent.bus.setConnected(true);
    expect((await world.result(runID)).result.outcome).toBe("Succeeded");
    expect(world.lines("ran")).toEqual(["ran"]);
  });

  test("is started with no controller, if the time is known from before in this boot", async () => {
    const first = await world.startReadyAgent();
    await world.shell("true");
    await first.stop();
    noController();
    await leave(world, { work: { args: [`echo ran >> ${world.path("ran")}`] } });
    await world.startAgent();
    await eventually(() => expect(world.lines("ran")).toEqual(["ran"]));
  });

  test("waits for the time after another boot", async () => {
    const first = await world.startReadyAgent({ bootID: EARLIER_BOOT });
    await world.shell("true");
    await first.stop();
    const answering = noController();
    const runID = await leave(world, { work: { args: [`echo ran >> ${world.path("ran")}`] } });
    const agent = await world.startReadyAgent();
    expect(world.statesOnDisk().get(runID)).toBe("Accepted");
    answering();
    agent.bus.setConnected(false);
    agent.bus.setConnected(true);
    expect((await world.result(runID)).result.outcome).toBe("Succeeded");
  });

  test("has expired if its start deadline has passed meanwhile", async () => {
    const runID = await leave(world, { terms: { startBy: LONG_AGO }, work: { args: ["true"] } });
    world.controller.helloReply = () => ({
      accepted: true,
      time: "2026-11-25T06:00:00.000Z",
      clusterID: command().clusterID,
    });
    await world.startReadyAgent();
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Expired",
      started: "False",
    });
  });

  test("is rejected if this agent has no such method any more", async () => {
    const runID = await leave(world, { work: { method: "gone", args: [] } });
    await world.startReadyAgent();
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Rejected",
      started: "False",
      reason: "UnknownMethod",
    });
    expect((await world.shell("true")).result.outcome).toBe("Succeeded");
  });
});

test("the files of a run go with its end, and those of runs that are over when an agent starts", async () => {
  const agent = await world.startReadyAgent();
  const { runID } = await world.shell("echo out");
  const folder = world.path(`data/runs/${runID}.1`);
  await eventually(() => expect(existsSync(folder)).toBe(false));
  await agent.stop();
  world.touch(`data/runs/${runID}.1`);
  await world.startReadyAgent();
  await eventually(() => expect(existsSync(folder)).toBe(false));
});

test("an agent can be stopped and started again at once", async () => {
  for (let again = 0; again < 3; again += 1) {
    const agent = await world.startReadyAgent();
    expect((await world.shell("true")).result.outcome).toBe("Succeeded");
    await agent.stop();
  }
  expect(world.log.filter(({ level }) => level === "error")).toEqual([]);
});

test("a hello tells how many runs the ledger has taken on", async () => {
  const agent = await world.startReadyAgent();
  expect(world.controller.hellos.at(-1)?.ledgerCounter).toBe(0);
  await world.shell("true");
  await world.shell("true");
  await agent.stop();
  await world.startReadyAgent();
  expect(world.controller.hellos.at(-1)?.ledgerCounter).toBe(2);
});

describe("the cluster of the first contact", () => {
  test("is the only one that the node obeys, also after a restart", async () => {
    const agent = await world.startReadyAgent();
    await world.shell("true");
    expect(world.controller.hellos.at(-1)?.clusterID).toBeUndefined();
    await agent.stop();
    const other = "dddddddd-0000-4000-8000-000000000004";
    world.controller.helloReply = () => ({
      accepted: true,
      time: new Date().toISOString(),
      clusterID: other,
    });
    await world.startReadyAgent();
    expect(world.controller.hellos.at(-1)?.clusterID).toBe(CLUSTER_ID);
    const answer = await world.controller.offer({ name: "foreign", clusterID: other });
    expect(answer).toMatchObject({ answer: "refused", reason: "NotReady" });
    expect(JSON.stringify(world.log)).toContain(other);
  });

  test("is told from one that only sends a command", async () => {
    await world.startReadyAgent();
    const clusterID = "dddddddd-0000-4000-8000-000000000004";
    const answer = await world.controller.offer({ clusterID });
    expect(answer).toMatchObject({ answer: "refused", reason: "WrongCluster" });
  });
});

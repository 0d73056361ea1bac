import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gatherFacts } from "../../../src/agent/facts.ts";
import type { LedgerTables } from "../../../src/agent/ledger-tables.ts";
import { CLUSTER_ID, command, revision, type Offer } from "../../unit/agent/controller-side.ts";
import { eventually, isAlive, runOf, World } from "./world.ts";

const NOW = "2026-11-24T06:00:00.000Z";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Leaves a ledger behind as an agent does that was killed. */
async function leave(
  offer: Offer,
  further: (tables: LedgerTables, runID: string) => void = () => undefined,
): Promise<string> {
  const runID = randomUUID();
  const ledger = world.openLedger();
  await ledger.commit((tables) => {
    tables.insertRun(runID, command(offer), NOW);
    tables.setCurrent(runID, undefined);
    further(tables, runID);
  });
  ledger.close();
  return runID;
}

function leftover(runID: string): number {
  const env = { PATH: process.env["PATH"], STEWARD_RUN_ID: runID };
  const child = spawn("sleep", ["300"], { env, detached: true, stdio: "ignore" });
  return child.pid ?? 0;
}

describe("a run that an earlier agent had started", () => {
  test("was interrupted, and what is left of it is killed", async () => {
    const { bootID } = await gatherFacts();
    const runID = await leave({}, (tables, id) => {
      tables.markStarting(id, bootID);
      tables.markRunning(id, NOW);
    });
    const pid = leftover(runID);
    const other = leftover(randomUUID());
    await world.startReadyAgent();
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Interrupted",
      started: "True",
      startedAt: NOW,
      reason: "AgentRestarted",
    });
    await eventually(() => expect(isAlive(pid)).toBe(false));
    expect(isAlive(other)).toBe(true);
    process.kill(other, "SIGKILL");
  });

  test("is ended also while no controller answers: nobody keeps its time-out any more", async () => {
    const { bootID } = await gatherFacts();
    const runID = await leave({}, (tables, id) => {
      tables.markStarting(id, bootID);
      tables.markRunning(id, NOW);
    });
    const pid = leftover(runID);
    world.controller.helloReply = () => undefined;
    await world.startAgent();
    await eventually(() => expect(isAlive(pid)).toBe(false));
    expect(world.controller.results).toEqual([]);
  });

  test("may or may not have begun, if nothing was recorded after the fork", async () => {
    const { bootID } = await gatherFacts();
    const runID = await leave({}, (tables, id) => tables.markStarting(id, bootID));
    await world.startReadyAgent();
    const { result } = await world.result(runID);
    expect(result).toMatchObject({ outcome: "Interrupted", started: "Unknown" });
    expect(result.startedAt).toBeUndefined();
  });

  test("went down with the machine, if that was started again", async () => {
    const runID = await leave({}, (tables, id) => tables.markStarting(id, randomUUID()));
    await world.startReadyAgent();
    expect((await world.result(runID)).result.reason).toBe("MachineRestarted");
  });

  test("is not started again when it is offered again", async () => {
    const work = { args: [`echo ran >> ${world.path("ran")}`] };
    const runID = await leave({ work }, (tables, id) => tables.markStarting(id, randomUUID()));
    await world.startReadyAgent();
    const answer = await world.controller.offer({ work });
    expect(answer).toMatchObject({ answer: "known", run: { runID, state: "Finished" } });
    expect(world.lines("ran")).toEqual([]);
  });
});

describe("a run that an earlier agent had only accepted", () => {
  test("is started, once there is a controller", async () => {
    const accept = world.controller.helloReply;
    world.controller.helloReply = () => undefined;
    const work = { args: [`echo ran >> ${world.path("ran")}`] };
    const runID = await leave({ work });
    const agent = await world.startReadyAgent();
    expect(world.lines("ran")).toEqual([]);
    world.controller.helloReply = accept;
    agent.bus.setConnected(false);
    agent.bus.setConnected(true);
    expect((await world.result(runID)).result.outcome).toBe("Succeeded");
    expect(world.lines("ran")).toEqual(["ran"]);
  });

  test("has expired if its start deadline has passed meanwhile", async () => {
    const runID = await leave({ terms: { startBy: NOW }, work: { args: ["true"] } });
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
    const runID = await leave({ work: { method: "gone", args: [] } });
    await world.startReadyAgent();
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Rejected",
      started: "False",
      reason: "UnknownMethod",
    });
    expect((await world.shell("true")).result.outcome).toBe("Succeeded");
  });
});

describe("an agent that is stopped", () => {
  test("ends what runs and leaves what waits to the next agent", async () => {
    const agent = await world.startReadyAgent();
    const trap = `trap 'echo asked >> ${world.path("asked")}; sleep 0.2; exit 0' TERM`;
    const script = `${trap}; echo $$ >> ${world.path("pid")}; while true; do sleep 0.01; done`;
    const { runID } = runOf(await world.controller.offer({ work: { args: [script] } }));
    const pid = await eventually(() => {
      const [line] = world.lines("pid");
      if (line === undefined) throw new Error("it does not run yet");
      return Number(line);
    });
    const next = { revision: revision("b"), generation: 2, declared: 2 };
    const late = { ...next, work: { args: [`echo late >> ${world.path("late")}`] } };
    const waiting = runOf(await world.controller.offer(late)).runID;
    await agent.stop();
    expect(isAlive(pid)).toBe(false);
    expect(world.lines("asked")).toEqual(["asked"]);
    expect(world.statesOnDisk().get(waiting)).toBe("Accepted");
    await world.startReadyAgent();
    expect((await world.result(runID)).result).toMatchObject({ started: "True" });
    expect((await world.result(waiting)).result.outcome).toBe("Succeeded");
    expect(world.lines("late")).toEqual(["late"]);
  });

  test("leaves word of what it ended by stopping", async () => {
    const agent = await world.startReadyAgent();
    const script = `echo here >> ${world.path("pid")}; sleep 300`;
    const { runID } = runOf(await world.controller.offer({ work: { args: [script] } }));
    await eventually(() => expect(world.lines("pid")).toHaveLength(1));
    await agent.stop();
    await world.startReadyAgent();
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Interrupted",
      started: "True",
      reason: "AgentStopped",
    });
  });

  test("takes no command while it ends what runs", async () => {
    const agent = await world.startReadyAgent();
    const script = `trap '' TERM; echo here >> ${world.path("pid")}; while true; do sleep 0.01; done`;
    await world.controller.offer({ work: { args: [script] } });
    await eventually(() => expect(world.lines("pid")).toHaveLength(1));
    const stopped = agent.stop();
    const answer = await world.controller.offer({ name: "late" });
    expect(answer).toMatchObject({ answer: "refused", reason: "NotReady" });
    await stopped;
    expect(world.broker.subscriptions.size).toBe(3);
  });

  test("can be started again at once", async () => {
    for (let again = 0; again < 3; again += 1) {
      const agent = await world.startReadyAgent();
      expect((await world.shell("true")).result.outcome).toBe("Succeeded");
      await agent.stop();
    }
    expect(world.log.filter(({ level }) => level === "error")).toEqual([]);
  });
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

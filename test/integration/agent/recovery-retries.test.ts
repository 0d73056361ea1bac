import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CommandTerms } from "../../../src/protocol/command.ts";
import { CLUSTER_ID, revision } from "../../unit/agent/controller-side.ts";
import { EARLIER_BOOT, leave, LONG_AGO } from "./left-by-an-agent.ts";
import { eventually, runOf, World, type RunningAgent } from "./world.ts";

const LONG_PAUSE_MS = 600_000;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

function retrying(limit: number, backoffMs: number): Pick<CommandTerms, "retry"> {
  return { retry: { limit, backoffMs, maxBackoffMs: Math.max(backoffMs, LONG_PAUSE_MS) } };
}

/** A script that counts its attempts, in a file, and then does something. */
function counted(then: string): string {
  const file = world.path("ran");
  return `echo ran >> ${file}; n=$(wc -l < ${file}); echo attempt $n; ${then}`;
}

function attempts(number: number): Promise<void> {
  return eventually(() => expect(world.lines("ran")).toHaveLength(number));
}

/** An agent with a run that has failed once, with exit code 4, and is to be repeated once. */
async function waiting(pauseMs = LONG_PAUSE_MS): Promise<{ agent: RunningAgent; runID: string }> {
  const agent = await world.startReadyAgent();
  const offer = { work: { args: [counted("exit 4")] }, terms: retrying(1, pauseMs) };
  const { runID } = runOf(await world.controller.offer(offer));
  await attempts(1);
  await eventually(() => expect(world.statesOnDisk().get(runID)).toBe("Accepted"));
  return { agent, runID };
}

describe("a command that fails", () => {
  test("is repeated until it succeeds", async () => {
    await world.startReadyAgent();
    const script = counted("[ $n -eq 3 ]");
    const result = await world.shell(script, { terms: retrying(5, 20) });
    expect(result).toMatchObject({
      attempts: 3,
      result: { outcome: "Succeeded", stdout: { text: "attempt 3\n" } },
    });
    expect(world.lines("ran")).toHaveLength(3);
  });

  test("is repeated as often as it may be, and fails then", async () => {
    await world.startReadyAgent();
    const result = await world.shell(counted("exit $n"), { terms: retrying(2, 20) });
    expect(result).toMatchObject({ attempts: 3, result: { outcome: "Failed", exitCode: 3 } });
    expect(world.lines("ran")).toHaveLength(3);
  });

  test("is repeated when its time was up", async () => {
    await world.startReadyAgent();
    const terms = { ...retrying(1, 20), timeoutMs: 500 };
    const result = await world.shell(counted("[ $n -eq 2 ] || sleep 300"), { terms });
    expect(result).toMatchObject({ attempts: 2, result: { outcome: "Succeeded" } });
  });

  test("is repeated when its program was not there", async () => {
    await world.startReadyAgent();
    const work = { method: "exec", args: [world.path("program")] };
    const terms = retrying(1, 20);
    const { result, attempts: made } = await world.run({ work, terms });
    expect(result).toMatchObject({
      outcome: "Failed",
      started: "False",
      reason: "ProgramNotFound",
    });
    expect(made).toBe(2);
  });

  test("was started if any of its attempts was", async () => {
    await world.startReadyAgent();
    world.touch("folder/file");
    const terms = retrying(1, 20);
    const work = { workingDir: world.path("folder") };
    const result = await world.shell(`rm -r ${world.path("folder")}; exit 1`, { terms, work });
    expect(result).toMatchObject({
      attempts: 2,
      result: { outcome: "Failed", started: "True", reason: "WorkingDirNotFound" },
    });
  });

  test("is repeated with no link and no controller, and its outcome is reported once there is one", async () => {
    const agent = await world.startReadyAgent();
    const offer = { work: { args: [counted("exit 1")] }, terms: retrying(2, 300) };
    const { runID } = runOf(await world.controller.offer(offer));
    agent.bus.setConnected(false);
    await attempts(3);
    await eventually(() => expect(world.statesOnDisk().get(runID)).toBe("Finished"));
    expect(world.controller.results).toEqual([]);
    agent.bus.setConnected(true);
    expect(await world.result(runID)).toMatchObject({ attempts: 3, result: { exitCode: 1 } });
  });
});

describe("a run that waits for its next attempt", () => {
  test("is known as accepted, with the number of its attempts", async () => {
    const { runID } = await waiting();
    const known = await world.controller.offer({ work: { args: ["other"] } });
    expect(known).toMatchObject({
      answer: "known",
      run: { runID, state: "Accepted", attempts: 1 },
    });
  });

  test("is over with what its last attempt came to when a later revision comes, which does not wait", async () => {
    const { runID } = await waiting();
    const next = { revision: revision("b"), generation: 2, declared: 2 };
    const later = runOf(await world.controller.offer({ ...next, work: { args: ["true"] } }));
    expect(await world.result(runID)).toMatchObject({
      attempts: 1,
      result: { outcome: "Cancelled", reason: "Replaced", started: "True", exitCode: 4 },
    });
    expect((await world.result(later.runID)).result.outcome).toBe("Succeeded");
  });

  test("is over when it is withdrawn, and the attempt is not made", async () => {
    const { runID } = await waiting(500);
    await world.controller.withdraw();
    expect((await world.result(runID)).result).toMatchObject({
      outcome: "Cancelled",
      started: "True",
      exitCode: 4,
    });
    await sleep(1_000);
    expect(world.lines("ran")).toHaveLength(1);
  });

  test("has its next attempt when the controller's time turns out to be later", async () => {
    const { agent } = await waiting();
    world.controller.helloReply = () => ({
      accepted: true,
      time: new Date(Date.now() + 2 * LONG_PAUSE_MS).toISOString(),
      clusterID: CLUSTER_ID,
    });
    agent.bus.setConnected(false);
    agent.bus.setConnected(true);
    await attempts(2);
  });

  test("has its next attempt from the next agent, with no controller, and not before its time", async () => {
    const { agent } = await waiting(3_000);
    await agent.stop();
    world.controller.helloReply = () => undefined;
    await world.startReadyAgent();
    expect(world.lines("ran")).toHaveLength(1);
    await attempts(2);
  });

  test("has its next attempt after another boot, once the time is known, and no more than it may", async () => {
    const reply = world.controller.helloReply;
    world.controller.helloReply = () => undefined;
    const work = { args: [counted("exit 1")] };
    const runID = await leave(world, { work, terms: retrying(1, 20) }, (tables, id) => {
      tables.markStarting(id, { bootID: EARLIER_BOOT, startingAt: 0 });
      tables.awaitRetry(
        id,
        { outcome: "Failed", started: "True", finishedAt: LONG_AGO, reason: "R", message: "" },
        LONG_AGO,
      );
    });
    const agent = await world.startReadyAgent();
    expect(world.statesOnDisk().get(runID)).toBe("Accepted");
    world.controller.helloReply = reply;
    agent.bus.setConnected(false);
    agent.bus.setConnected(true);
    expect(await world.result(runID)).toMatchObject({ attempts: 2, result: { exitCode: 1 } });
    expect(world.lines("ran")).toHaveLength(1);
  });
});

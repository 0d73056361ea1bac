import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Method } from "../../../src/agent/methods/method.ts";
import { encodeMessage } from "../../../src/protocol/envelope.ts";
import { commandMessage } from "../../../src/protocol/command.ts";
import { CONTROLLER_SIGNERS } from "../../support/test-keys.ts";
import { command, revision, type Offer } from "../../unit/agent/controller-side.ts";
import { eventually, runOf, World } from "./world.ts";

const OLD_UID = "aaaaaaaa-0000-4000-8000-000000000001";
const NEW_UID = "bbbbbbbb-0000-4000-8000-000000000002";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A command that writes a line to a file and, if asked to, goes on until it is ended. */
function writes(mark: string, then = "true"): Offer {
  return {
    name: "task",
    revision: revision(mark),
    work: { args: [`echo ${mark} >> ${world.path("ran")}; ${then}`] },
  };
}

function ran(mark: string, times = 1): Promise<void> {
  return eventually(() => {
    expect(world.lines("ran").filter((line) => line === mark)).toHaveLength(times);
  });
}

describe("the ledger comes first:", () => {
  test("an answer leaves after the run is on the disk as accepted", async () => {
    await world.startReadyAgent();
    const { runID } = runOf(await world.controller.offer(writes("a")));
    expect(world.statesOnDisk().has(runID)).toBe(true);
  });

  test("a process is made after the run is on the disk as starting", async () => {
    await world.startReadyAgent();
    const copy = world.path("copy");
    const script = `mkdir ${copy}; cp ${world.dataDir}/* ${copy}; echo $STEWARD_RUN_ID`;
    const { runID } = await world.shell(script);
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(`${copy}/ledger.db`);
    const row = db.prepare("SELECT state FROM runs WHERE run_id = ?").get(runID);
    db.close();
    expect(["Starting", "Running"]).toContain(row?.["state"]);
  });

  test("a result is sent after it is on the disk", async () => {
    await world.startReadyAgent();
    let stateWhenSent: string | undefined;
    world.controller.receipt = ({ runID }) => {
      stateWhenSent ??= world.statesOnDisk().get(runID);
      return { receipt: "stored", runID };
    };
    await world.shell("true");
    expect(stateWhenSent).toBe("Finished");
  });
});

describe("a command that is offered again", () => {
  test("is known, with its state and then its result, and runs once", async () => {
    await world.startReadyAgent();
    const file = world.path("go");
    const offer = writes("a", `while ! [ -e ${file} ]; do sleep 0.01; done`);
    const first = await world.controller.offer(offer);
    expect(first.answer).toBe("accepted");
    await ran("a");
    const { runID } = runOf(first);
    await eventually(async () => {
      const again = await world.controller.offer({ ...offer, generation: 7 });
      expect(again).toMatchObject({ answer: "known", run: { runID, state: "Running" } });
      expect(runOf(again)).toMatchObject({ generation: 7, declared: 1 });
    });
    await world.shell(`touch ${file}`);
    await world.result(runID);
    const last = await world.controller.offer(offer);
    expect(last).toMatchObject({
      answer: "known",
      run: { runID, state: "Finished", generation: 7, result: { outcome: "Succeeded" } },
    });
    await ran("a");
  });

  test("at the same moment, many times over, runs once", async () => {
    await world.startReadyAgent();
    const offers = Array.from({ length: 50 }, () => world.controller.offer(writes("a")));
    const answers = (await Promise.all(offers)).map(({ answer }) => answer);
    expect(answers.filter((answer) => answer === "accepted")).toHaveLength(1);
    expect(answers.filter((answer) => answer === "known")).toHaveLength(49);
    await eventually(() => expect(world.controller.results).toHaveLength(1));
    await ran("a");
  });

  test("to an agent that has been restarted is known, and does not run again", async () => {
    const agent = await world.startReadyAgent();
    const { runID } = await world.run(writes("a"));
    await agent.stop();
    await world.startReadyAgent();
    const again = await world.controller.offer(writes("a"));
    expect(again).toMatchObject({ answer: "known", run: { runID, state: "Finished" } });
    await ran("a");
  });
});

describe("a new revision", () => {
  test("ends the run of the old one, and starts only after that has ended", async () => {
    await world.startReadyAgent();
    const trap = `trap 'sleep 0.2; echo a-ended >> ${world.path("ran")}; exit 0' TERM`;
    const old = writes("a", `${trap}; while true; do sleep 0.01; done`);
    const { runID } = runOf(await world.controller.offer(old));
    await ran("a");
    const next = { ...writes("b"), generation: 2, declared: 2 };
    expect((await world.controller.offer(next)).answer).toBe("accepted");
    expect(await world.result(runID)).toMatchObject({
      result: { outcome: "Cancelled", started: "True", reason: "Replaced" },
    });
    await ran("b");
    expect(world.lines("ran")).toEqual(["a", "a-ended", "b"]);
  });

  test("takes the place of one that still waits, which then never starts", async () => {
    await world.startReadyAgent();
    const stubborn = writes("a", "trap '' TERM; while true; do sleep 0.01; done");
    await world.controller.offer(stubborn);
    await ran("a");
    const waiting = { ...writes("b"), generation: 2, declared: 2 };
    const { runID } = runOf(await world.controller.offer(waiting));
    await world.controller.offer({ ...writes("c"), generation: 3, declared: 3 });
    expect(await world.result(runID)).toMatchObject({
      result: { outcome: "Cancelled", started: "False", reason: "Replaced" },
    });
    await ran("c");
    expect(world.lines("ran")).toEqual(["a", "c"]);
  });

  test("that is older than what the node has is not run", async () => {
    await world.startReadyAgent();
    await world.run({ ...writes("b"), generation: 4, declared: 3 });
    const late = await world.controller.offer({ ...writes("a"), generation: 2, declared: 2 });
    expect(late).toEqual({ answer: "nodeIsAhead", row: { uid: OLD_UID, epoch: 0, generation: 4 } });
    await ran("a", 0);
  });
});

describe("a resource that was deleted and created again", () => {
  const created: Offer = { uid: NEW_UID, takesOver: OLD_UID };

  test("is not run before it is said to take over", async () => {
    await world.startReadyAgent();
    await world.run(writes("a"));
    const answer = await world.controller.offer({ ...writes("a"), uid: NEW_UID });
    expect(answer).toEqual({
      answer: "takeoverNeeded",
      row: { uid: OLD_UID, epoch: 0, generation: 1 },
    });
  });

  test("has the outcome of what was run before, whose receipt is due again", async () => {
    await world.startReadyAgent();
    const { runID } = await world.run(writes("a"));
    const answer = await world.controller.offer({ ...writes("a"), ...created });
    expect(answer).toMatchObject({
      answer: "known",
      run: { runID, uid: NEW_UID, adopted: true, result: { outcome: "Succeeded" } },
    });
    await eventually(() => {
      expect(world.controller.results.at(-1)).toMatchObject({ runID, uid: NEW_UID, adopted: true });
    });
    const late = await world.controller.offer({ ...writes("z"), generation: 9, declared: 9 });
    expect(late).toEqual({ answer: "superseded", row: { uid: NEW_UID, epoch: 0, generation: 1 } });
    await ran("a");
    await ran("z", 0);
  });

  test("takes over a run that still goes on", async () => {
    await world.startReadyAgent();
    const file = world.path("go");
    const offer = writes("a", `while ! [ -e ${file} ]; do sleep 0.01; done`);
    const { runID } = runOf(await world.controller.offer(offer));
    await ran("a");
    const answer = await world.controller.offer({ ...offer, ...created });
    expect(answer).toMatchObject({ answer: "known", run: { runID, adopted: true } });
    await world.shell(`touch ${file}`);
    expect(await world.result(runID)).toMatchObject({ uid: NEW_UID, adopted: true });
    await ran("a");
  });

  test("with another revision ends what went on and runs", async () => {
    await world.startReadyAgent();
    const { runID } = runOf(await world.controller.offer(writes("a", "sleep 300")));
    await ran("a");
    const answer = await world.controller.offer({ ...writes("b"), ...created });
    expect(answer.answer).toBe("accepted");
    expect(await world.result(runID)).toMatchObject({
      uid: OLD_UID,
      result: { outcome: "Cancelled", reason: "Replaced" },
    });
    await ran("b");
  });
});

describe("a command that the node cannot do", () => {
  test("is accepted as a run that never started, and says what there is", async () => {
    await world.startReadyAgent();
    const offer: Offer = { work: { method: "reboot", args: [] } };
    const first = await world.controller.offer(offer);
    expect(first).toMatchObject({
      answer: "accepted",
      run: {
        state: "Finished",
        result: { outcome: "Rejected", started: "False", reason: "UnknownMethod" },
      },
    });
    expect(runOf(first).result?.message).toContain("exec, ping, shellcommand");
    expect((await world.controller.offer(offer)).answer).toBe("known");
    await world.result(runOf(first).runID);
  });

  test("because its arguments make no sense is rejected", async () => {
    await world.startReadyAgent();
    const { result } = await world.run({ work: { method: "exec", args: [] } });
    expect(result).toMatchObject({ outcome: "Rejected", reason: "InvalidArguments" });
  });
});

describe("a start deadline", () => {
  test("that has passed in the controller's time is kept", async () => {
    const ahead = 3_600_000;
    const time = (): string => new Date(Date.now() + ahead).toISOString();
    world.controller.helloReply = () => ({
      accepted: true,
      time: time(),
      clusterID: command().clusterID,
    });
    await world.startReadyAgent();
    const startBy = new Date(Date.now() + ahead - 1_000).toISOString();
    const { result } = await world.run({ ...writes("a"), signedAt: time(), terms: { startBy } });
    expect(result).toMatchObject({
      outcome: "Expired",
      started: "False",
      reason: "StartDeadlineExceeded",
    });
    await ran("a", 0);
  });

  test("that lies ahead is no obstacle", async () => {
    await world.startReadyAgent();
    const startBy = new Date(Date.now() + 60_000).toISOString();
    const { result } = await world.run({ ...writes("a"), terms: { startBy } });
    expect(result.outcome).toBe("Succeeded");
  });
});

describe("what is no command for this agent", () => {
  test("is answered with what is wrong, and logged once", async () => {
    await world.startReadyAgent();
    const subject = "ship1.command.exec";
    for (let again = 0; again < 3; again += 1) {
      const answer = await world.controller.ask(subject, new TextEncoder().encode("rubbish"));
      expect(answer).toMatchObject({ answer: "refused", reason: "Malformed" });
    }
    const later = encodeMessage({ ...commandMessage, version: 2 }, command(), CONTROLLER_SIGNERS);
    const answer = await world.controller.ask(subject, later);
    expect(answer).toMatchObject({ answer: "refused", reason: "UnsupportedVersion" });
    expect(world.log.filter(({ level }) => level === "warn")).toHaveLength(2);
  });

  test("is refused when it is of an earlier session or stale", async () => {
    await world.startReadyAgent();
    const earlier = await world.controller.offer({ ...writes("a"), sessionID: NEW_UID });
    expect(earlier).toMatchObject({ answer: "refused", reason: "WrongSession" });
    const signedAt = new Date(Date.now() - 61_000).toISOString();
    const stale = await world.controller.offer({ ...writes("a"), signedAt });
    expect(stale).toMatchObject({ answer: "refused", reason: "Stale" });
    expect(world.statesOnDisk().size).toBe(0);
  });

  test("is neither answered nor run if no controller waits for the answer", async () => {
    await world.startReadyAgent();
    const rogue = world.broker.connect("_INBOX_ship2");
    const sessionID = world.controller.session;
    const rogueCommand = command({ ...writes("a"), sessionID });
    const data = encodeMessage(commandMessage, rogueCommand, CONTROLLER_SIGNERS);
    const outcome = await rogue.request("ship1.command.shellcommand", data, { timeoutMs: 200 });
    expect(outcome.kind).toBe("timeout");
    rogue.publish("ship1.command.shellcommand", data);
    await world.shell("true");
    expect(world.statesOnDisk().size).toBe(1);
    await ran("a", 0);
  });

  test("waits for an agent that waits for its hello to be answered", async () => {
    let isSilent = true;
    const accept = world.controller.helloReply;
    world.controller.helloReply = (hello) => (isSilent ? undefined : accept(hello));
    await world.startReadyAgent();
    const offered = world.controller.offer(writes("a"));
    await sleep(50);
    isSilent = false;
    world.broker.connect("_INBOX_CONTROLLER").publish("ship1.command.hello", new Uint8Array());
    expect(await offered).toMatchObject({ answer: "refused", reason: "NotReady" });
    await ran("a", 0);
  });
});

test("a hello names the runs without a receipt, and how many there are", async () => {
  world.controller.receipt = () => undefined;
  await world.startReadyAgent({ helloIntervalMs: 100 });
  const long = runOf(await world.controller.offer(writes("a", "sleep 300")));
  await ran("a");
  const short = await world.run({ name: "short" });
  await eventually(() => {
    expect(world.controller.hellos.at(-1)).toMatchObject({
      runs: [
        { name: "task", uid: OLD_UID, runID: long.runID, state: "Running" },
        { name: "short", uid: OLD_UID, runID: short.runID, state: "Finished" },
      ],
      runsWithoutReceipt: 2,
    });
  });
});

test("a result is sent until it has its receipt, also by the next agent", async () => {
  world.controller.receipt = () => undefined;
  const agent = await world.startReadyAgent();
  const { runID } = await world.run(writes("a"));
  await agent.stop();
  const sent = world.controller.results.length;
  world.controller.receipt = (result) => ({ receipt: "stored", runID: result.runID });
  const next = await world.startReadyAgent();
  await eventually(() => expect(world.controller.results.length).toBeGreaterThan(sent));
  expect(world.controller.results.at(-1)?.runID).toBe(runID);
  await next.stop();
  const { length } = world.controller.results;
  await world.startReadyAgent();
  await world.shell("true");
  expect(world.controller.results).toHaveLength(length + 1);
});

describe("a method that throws", () => {
  const secret = "--password=hunter2";
  const defective: Method = {
    name: "defective",
    problem: () => undefined,
    run: async ({ work }) => {
      throw new TypeError(`cannot do ${work.args[0]}`);
    },
  };

  test("makes its run fail, is reported, and takes nothing down", async () => {
    const { METHODS } = await import("../../../src/agent/methods/table.ts");
    await world.startReadyAgent({ methods: [...METHODS, defective] });
    for (let again = 0; again < 2; again += 1) {
      const { result } = await world.run({ work: { method: "defective", args: [secret] } });
      expect(result).toMatchObject({
        outcome: "Failed",
        started: "Unknown",
        reason: "MethodError",
      });
    }
    expect((await world.shell("true")).result.outcome).toBe("Succeeded");
    expect(world.controller.errors[0]).toMatchObject({
      process: "method/defective",
      severity: "error",
    });
    expect(JSON.stringify(world.controller.errors)).not.toContain("hunter2");
  });
});

test("what is logged has nothing of what is run or printed", async () => {
  await world.startReadyAgent();
  const secret = "hunter2";
  const env = [{ name: "TOKEN", value: secret }];
  await world.shell(`echo ${secret}; exit 1`, { work: { env, stdin: secret } });
  await world.run({ work: { method: "exec", args: [`/${secret}`] } });
  await world.run({ work: { method: "exec", args: ["\0", secret] } });
  await world.shell(`true ${secret.repeat(30_000)}`);
  await world.controller.ask("ship1.command.exec", new TextEncoder().encode(secret));
  expect(JSON.stringify(world.log)).not.toContain(secret);
  expect(JSON.stringify(world.controller.errors)).not.toContain(secret);
});

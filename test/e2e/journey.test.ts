import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { sharedControlPlane } from "../support/control-plane.ts";
import { Fleet, type Status } from "../support/fleet.ts";
import { recordedIn, timesRun } from "../support/truth.ts";

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(sharedControlPlane(), ["ship1", "ship2"]);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

function condition(status: Status, type: string): string | undefined {
  return status.conditions?.find((each) => each.type === type)?.status;
}

describe("the node's answer is in the status", () => {
  test("of a command that succeeds", async () => {
    await fleet.apply("success", {
      nodeName: "ship1",
      method: "shellcommand",
      args: ['echo "hello $1"; echo trouble >&2', "world"],
    });
    const status = await fleet.completed("success");
    expect(status).toMatchObject({
      phase: "Succeeded",
      observedGeneration: 1,
      run: {
        outcome: "Succeeded",
        started: "True",
        exitCode: 0,
        stdout: { text: "hello world\n", bytes: 12, truncated: false },
        stderr: { text: "trouble\n", bytes: 8, truncated: false },
        summary: "exit 0: hello world",
      },
    });
    expect(condition(status, "Ready")).toBe("True");
    await fleet.kubectl(["wait", "--for=condition=Ready", "ec/success", "--timeout=10s"]);
  });

  test("of a command that fails, with an Event", async () => {
    await fleet.apply("failure", {
      nodeName: "ship1",
      method: "shellcommand",
      args: ["echo 'no such disk' >&2; exit 3"],
    });
    const status = await fleet.completed("failure");
    expect(status).toMatchObject({ phase: "Failed", run: { exitCode: 3, reason: "NonZeroExit" } });
    expect(condition(status, "Ready")).toBe("False");
    expect(condition(status, "Stalled")).toBe("True");
    await expect
      .poll(() => fleet.kubectl(["describe", "ec", "failure"]), { timeout: 20_000 })
      .toMatch(/Warning\s+Failed\s+.*exit 3: no such disk/);
  });

  test("of a command whose exit code counts as success", async () => {
    const spec = { nodeName: "ship1", method: "exec", args: ["sh", "-c", "exit 7"] };
    await fleet.apply("seven", { ...spec, successExitCodes: [0, 7] });
    expect(await fleet.completed("seven")).toMatchObject({
      phase: "Succeeded",
      run: { exitCode: 7 },
    });
  });

  test("of a command that takes too long", async () => {
    await fleet.apply("slow", {
      nodeName: "ship1",
      method: "shellcommand",
      args: ["trap '' TERM; echo started; sleep 1000 & wait; sleep 1000"],
      timeout: "1s",
    });
    expect(await fleet.completed("slow")).toMatchObject({
      phase: "TimedOut",
      run: { started: "True", reason: "Timeout", stdout: { text: "started\n" } },
    });
  });

  test("of an exec with environment, standard input and working directory", async () => {
    await fleet.apply("exec", {
      nodeName: "ship2",
      method: "exec",
      args: ["sh", "-c", 'echo "$GREETING $(pwd) $(cat)"'],
      env: [{ name: "GREETING", value: "ahoy" }],
      stdin: "captain",
      workingDir: "/tmp",
    });
    expect(await fleet.completed("exec")).toMatchObject({
      run: { stdout: { text: "ahoy /tmp captain\n" } },
    });
  });

  test("of a ping", async () => {
    await fleet.apply("ping", { nodeName: "ship2", method: "ping" });
    const status = await fleet.completed("ping");
    expect(status).toMatchObject({ phase: "Succeeded" });
    expect(status.run?.summary).toMatch(/^pong/);
  });

  test.each([
    ["an unknown method", { method: "teleport", args: [] }, "UnknownMethod", /shellcommand/],
    ["an empty argv", { method: "exec", args: [] }, "InvalidArguments", /args/],
    ["a ping with arguments", { method: "ping", args: ["x"] }, "InvalidArguments", /args/],
  ])("of %s, as a rejection that never started", async (what, spec, reason, message) => {
    const name = what.replaceAll(" ", "-");
    await fleet.apply(name, { nodeName: "ship1", ...spec });
    const status = await fleet.completed(name);
    expect(status).toMatchObject({ phase: "Rejected", run: { started: "False", reason } });
    expect(status.run?.message).toMatch(message);
  });
});

describe("what declares the same runs nothing again", () => {
  test("editing args runs again, editing the time-out and applying again do not", async () => {
    const truth = fleet.truthPath("edited");
    const spec = {
      nodeName: "ship1",
      method: "shellcommand",
      args: [recordedIn(truth, "echo one")],
    };
    await fleet.apply("edited", spec);
    await fleet.completed("edited");
    expect(await fleet.apply("edited", spec)).toMatch(/unchanged/);
    await fleet.apply("edited", { ...spec, timeout: "1m" });
    await fleet.kubectl(["wait", "--for=jsonpath={.status.observedGeneration}=2", "ec/edited"]);
    expect(await timesRun(truth)).toBe(1);

    await fleet.apply("edited", { ...spec, args: [recordedIn(truth, "echo two")], timeout: "1m" });
    await fleet.kubectl(["wait", "--for=jsonpath={.status.run.declared}=3", "ec/edited"]);
    const status = await fleet.completed("edited");
    expect(status).toMatchObject({
      phase: "Succeeded",
      run: { declared: 3, stdout: { text: "two\n" } },
      history: [{ declared: 1, outcome: "Succeeded", exitCode: 0 }],
    });
    expect(await timesRun(truth)).toBe(2);
  });

  test("deleting and creating again shows the recorded outcome as AlreadyRan", async () => {
    const truth = fleet.truthPath("recreated");
    const spec = { nodeName: "ship1", method: "shellcommand", args: [recordedIn(truth, "exit 4")] };
    await fleet.apply("recreated", spec);
    await fleet.completed("recreated");
    await fleet.kubectl(["delete", "ec", "recreated"]);
    await fleet.apply("recreated", spec);
    expect(await fleet.completed("recreated")).toMatchObject({
      phase: "Failed",
      run: { exitCode: 4, reason: "AlreadyRan" },
    });
    expect(await timesRun(truth)).toBe(1);
    await expect
      .poll(() => fleet.kubectl(["describe", "ec", "recreated"]), { timeout: 20_000 })
      .toMatch(/Normal\s+AlreadyRan/);
  });

  test("an edit while the earlier version runs ends that one first", async () => {
    const truth = fleet.truthPath("replaced");
    const args = [recordedIn(truth, `sleep 1000; echo late >> ${truth}`)];
    await fleet.apply("replaced", { nodeName: "ship1", method: "shellcommand", args });
    await fleet.untilPhase("replaced", "Running");
    await fleet.apply("replaced", {
      nodeName: "ship1",
      method: "shellcommand",
      args: ["echo new"],
    });
    await fleet.kubectl(["wait", "--for=jsonpath={.status.run.declared}=2", "ec/replaced"]);
    expect(await fleet.completed("replaced")).toMatchObject({
      phase: "Succeeded",
      run: { declared: 2, stdout: { text: "new\n" } },
    });
    await fleet.kubectl([
      "wait",
      "--for=jsonpath={.status.history[0].outcome}=Cancelled",
      "ec/replaced",
    ]);
    expect(await timesRun(truth)).toBe(1);
  });
});

describe("output of any kind leaves a truthful and bounded status", () => {
  test.each([
    ["two hundred megabytes", "head -c 200000000 /dev/zero", 200_000_000],
    ["bytes that are no text", "printf 'ok\\377\\376 \\033[31mred\\033[0m'", 17],
    ["nothing but quotes and line ends", "yes '\"' | head -c 100000", 100_000],
  ])("%s", async (what, script, bytes) => {
    const name = what.replaceAll(/[^a-z]+/gi, "-").toLowerCase();
    await fleet.apply(name, {
      nodeName: "ship2",
      method: "shellcommand",
      args: [`${script}; echo >&2 x`],
    });
    const status = await fleet.completed(name);
    expect(status).toMatchObject({ phase: "Succeeded", run: { stdout: { bytes } } });
    expect(status.run?.stdout?.text).not.toMatch(/[^\P{Cc}\t\n]/u);
    expect(Buffer.byteLength(JSON.stringify(status))).toBeLessThan(16 * 1024);
  });

  test("more than the agent's bound ends the command, and says what to do", async () => {
    await fleet.apply("endless", { nodeName: "ship2", method: "shellcommand", args: ["yes"] });
    expect(await fleet.completed("endless")).toMatchObject({
      phase: "Failed",
      run: { started: "True", reason: "OutputTooLarge", message: expect.stringContaining("file") },
    });
  });

  test("a command that forks and lets go ends when it ends", async () => {
    await fleet.apply("daemon", {
      nodeName: "ship2",
      method: "shellcommand",
      args: ["sleep 1000 & echo $!"],
    });
    const status = await fleet.completed("daemon");
    expect(status).toMatchObject({ phase: "Succeeded", run: { exitCode: 0 } });
    process.kill(Number(status.run?.stdout?.text));
  });
});

describe("nodes that are not there", () => {
  test("a node that is away gets its command when it is back", async () => {
    const truth = fleet.truthPath("away");
    await fleet.addAgent("ship3");
    await fleet.untilReady("True", ["ship3"]);
    await fleet.agent("ship3").stop();
    await fleet.untilReady("False", ["ship3"]);
    await fleet.apply("away", {
      nodeName: "ship3",
      method: "shellcommand",
      args: [recordedIn(truth)],
    });
    const waiting = await fleet.untilPhase("away", "WaitingForNode");
    expect(waiting.run).toMatchObject({ reason: "NodeAway" });
    expect(condition(waiting, "Reconciling")).toBe("True");
    await fleet.agent("ship3").start();
    expect(await fleet.completed("away")).toMatchObject({ phase: "Succeeded" });
    expect(await timesRun(truth)).toBe(1);
  });

  test("a node that nobody knows is waited for until the deadline", async () => {
    await fleet.apply("nobody", { nodeName: "ghost", method: "ping", startDeadline: "5s" });
    expect((await fleet.untilPhase("nobody", "WaitingForNode")).run).toMatchObject({
      reason: "NodeNotFound",
    });
    expect(await fleet.completed("nobody")).toMatchObject({
      phase: "Expired",
      run: { started: "Unknown" },
    });
  });

  test("a node that registers after the command was declared gets it", async () => {
    await fleet.apply("early", { nodeName: "newcomer", method: "ping" });
    await fleet.untilPhase("early", "WaitingForNode");
    await fleet.addAgent("newcomer");
    expect(await fleet.completed("early")).toMatchObject({ phase: "Succeeded" });
  });
});

test("kubectl get shows a row for each command with its true state", async () => {
  const table = await fleet.kubectl(["get", "edgecommands"]);
  expect(table).toMatch(/success\s+ship1-\S+\s+shellcommand\s+Succeeded\s+0\s/);
  expect(table).toMatch(/failure\s+ship1-\S+\s+shellcommand\s+Failed\s+3\s/);
  const nodes = await fleet.kubectl(["get", "edgenodes"]);
  expect(nodes).toMatch(/ship1-\S+\s+True\s+\d+\.\d+\.\d+\s+linux\s/);
});

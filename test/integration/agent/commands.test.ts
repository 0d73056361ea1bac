import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonBytes } from "../../../src/protocol/output.ts";
import type { RunResult } from "../../../src/protocol/run.ts";
import { eventually, isAlive, World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = new World();
  await world.startReadyAgent();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

describe("a command's result tells", () => {
  test("status, output and times of one that succeeds", async () => {
    const { result } = await world.shell("echo out; echo err >&2");
    expect(result).toMatchObject({
      outcome: "Succeeded",
      started: "True",
      exitCode: 0,
      reason: "Completed",
      stdout: { text: "out\n", bytes: 4, truncated: false },
      stderr: { text: "err\n", bytes: 4, truncated: false },
    });
    const { startedAt = "", finishedAt, durationMs = -1 } = result;
    expect(Date.parse(finishedAt) - Date.parse(startedAt)).toBe(durationMs);
  });

  test("the status of one that fails", async () => {
    const { result } = await world.shell("exit 3");
    expect(result).toMatchObject({ outcome: "Failed", exitCode: 3, reason: "NonZeroExit" });
  });

  test("success where its status counts as that", async () => {
    const { result } = await world.shell("exit 3", { terms: { successExitCodes: [3] } });
    expect(result).toMatchObject({ outcome: "Succeeded", exitCode: 3 });
  });

  test("the signal that ended it", async () => {
    const { result } = await world.shell("kill -SEGV $$");
    expect(result).toMatchObject({ outcome: "Failed", signal: "SIGSEGV", reason: "Signalled" });
    expect(result.exitCode).toBeUndefined();
  });

  test("that its output was no text", async () => {
    const { result } = await world.shell(String.raw`printf 'a\377\033[31mb\000'`);
    expect(result.stdout).toMatchObject({ text: "a\ufffd\ufffd[31mb\ufffd", bytes: 9 });
  });
});

describe("a command is given", () => {
  test("its input, and then the end of it", async () => {
    const { result } = await world.shell("cat; echo end", { work: { stdin: "some\ninput\n" } });
    expect(result.stdout?.text).toBe("some\ninput\nend\n");
  });

  test("input that it does not read, without harm", async () => {
    const { result } = await world.shell("exec true", { work: { stdin: "x".repeat(300_000) } });
    expect(result.outcome).toBe("Succeeded");
  });

  test("its further arguments", async () => {
    const { result } = await world.run({ work: { args: ['echo "$2-$1 $#"', "a b", "c"] } });
    expect(result.stdout?.text).toBe("c-a b 2\n");
  });

  test("its working directory", async () => {
    const { result } = await world.shell("pwd", { work: { workingDir: world.dir } });
    expect(result.stdout?.text).toBe(`${world.dir}\n`);
  });

  test("a clean environment, its own variables, and the name of its run", async () => {
    const env = [
      { name: "GREETING", value: "hello" },
      { name: "LANG", value: "C" },
      { name: "STEWARD_RUN_ID", value: "forged" },
    ];
    const { runID, result } = await world.shell("env | cut -d= -f1 | sort | xargs; env", {
      work: { env },
    });
    const [names = "", ...variables] = (result.stdout?.text ?? "").split("\n");
    expect(names.split(" ")).toEqual([
      "GREETING",
      "HOME",
      "LANG",
      "LOGNAME",
      "PATH",
      "PWD",
      "SHELL",
      "STEWARD_NAME",
      "STEWARD_NAMESPACE",
      "STEWARD_NODE",
      "STEWARD_RUN_ID",
      "USER",
    ]);
    expect(variables).toContain("GREETING=hello");
    expect(variables).toContain("LANG=C");
    expect(variables).toContain(`STEWARD_RUN_ID=${runID}`);
    expect(variables).toContain("STEWARD_NODE=ship1");
  });

  test("a process group of its own, which only its shell shares, and no file of the agent's but its own", async () => {
    const script = "echo $PPID; ps -o pgid=,sid= -p $$; readlink /proc/$$/fd/*";
    const { runID, result } = await world.shell(script, { work: { stdin: "x" } });
    const [shell, group, ...files] = (result.stdout?.text ?? "").trim().split("\n");
    expect(group?.trim().split(/ +/)).toEqual([shell, shell]);
    const folder = `${world.dataDir}/runs/${runID}.1`;
    expect(files.filter((file) => file.includes(runID))).toEqual([
      `/dev/shm/steward-${runID}.1-stdin (deleted)`,
      `${folder}/stdout`,
      `${folder}/stderr`,
    ]);
  });
});

describe("exec", () => {
  test("runs a program without a shell", async () => {
    const work = { method: "exec", args: ["printf", "%s|", "$HOME", "a b", ";"] };
    const { result } = await world.run({ work });
    expect(result.stdout?.text).toBe("$HOME|a b|;|");
  });

  test("says that there is no such program, and that nothing was started", async () => {
    const { result } = await world.run({ work: { method: "exec", args: ["no-such-program"] } });
    expect(result).toMatchObject({
      outcome: "Failed",
      started: "False",
      reason: "ProgramNotFound",
    });
    expect(result.message).toContain("no-such-program");
  });

  test("says that a file is none to execute", async () => {
    const { result } = await world.run({ work: { method: "exec", args: ["/etc/passwd"] } });
    expect(result).toMatchObject({ started: "False", reason: "PermissionDenied" });
  });
});

test("ping answers with the agent's version and runs nothing", async () => {
  const { result } = await world.run({ work: { method: "ping", args: [] } });
  expect(result).toMatchObject({ outcome: "Succeeded", stdout: { text: "pong 1.2.3\n" } });
});

test.each(["/no/such/folder", "/etc/passwd"])("the folder %s is none to work in", async (dir) => {
  const { result } = await world.shell("true", { work: { workingDir: dir } });
  expect(result).toMatchObject({
    outcome: "Failed",
    started: "False",
    reason: "WorkingDirNotFound",
  });
});

test("arguments that the kernel does not take start nothing", async () => {
  const { result } = await world.shell(`true ${"x".repeat(200_000)}`);
  expect(result).toMatchObject({ outcome: "Failed", started: "False", reason: "ArgumentsTooLong" });
});

describe("a command whose time is up", () => {
  const terms = { timeoutMs: 300 };

  test("is asked to end, and its group with it", async () => {
    const file = world.path("asked");
    const script = `trap 'echo asked >> ${file}; exit 0' TERM; sleep 300 & wait`;
    const { result } = await world.shell(script, { terms });
    expect(result).toMatchObject({ outcome: "TimedOut", started: "True", reason: "Timeout" });
    expect(world.lines("asked")).toEqual(["asked"]);
  });

  test("is killed if it does not end, with all of its group", async () => {
    const file = world.path("stubborn");
    const script = `trap '' TERM; sleep 300 & echo $! > ${file}; echo ready; wait; sleep 300`;
    const { result } = await world.shell(script, { terms: { timeoutMs: 1_000 } });
    expect(result).toMatchObject({ outcome: "TimedOut", signal: "SIGKILL" });
    expect(result.stdout?.text).toBe("ready\n");
    expect(isAlive(Number(world.lines("stubborn")[0]))).toBe(false);
  });

  test("is killed in whatever session it has hidden", async () => {
    const file = world.path("escaped");
    const escape = `setsid sh -c 'echo $$ >> ${file}; exec sleep 300'`;
    const script = `${escape} & while ! [ -s ${file} ]; do sleep 0.01; done; sleep 300`;
    const { result } = await world.shell(script, { terms: { timeoutMs: 1_000 } });
    expect(result.outcome).toBe("TimedOut");
    const pid = Number(world.lines("escaped")[0]);
    expect(pid).toBeGreaterThan(0);
    expect(isAlive(pid)).toBe(false);
  });
});

test("a command that leaves a process in the background ends without it and leaves it alone", async () => {
  const { result } = await world.shell("sleep 300 & echo $!");
  expect(result).toMatchObject({ outcome: "Succeeded", exitCode: 0 });
  const pid = Number(result.stdout?.text);
  expect(isAlive(pid)).toBe(true);
  process.kill(pid, "SIGKILL");
  await eventually(() => expect(isAlive(pid)).toBe(false));
});

test("what stays in the background and prints without end holds nothing up, and is killed for it", async () => {
  const { result } = await world.shell("yes & echo $!; sleep 0.2; exit 4");
  expect(result).toMatchObject({ outcome: "Failed", exitCode: 4 });
  const pid = Number(result.stdout?.text.split("\n", 1)[0] ?? "0");
  await eventually(() => expect(isAlive(pid)).toBe(false));
});

/** Has zeros printed. Gives the result, and by how much this process grew meanwhile. */
async function zeros(count: number): Promise<{ result: RunResult; growth: number }> {
  const before = process.memoryUsage.rss();
  let most = before;
  const sampling = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  const { result } = await world.shell(`head -c ${count} /dev/zero`);
  clearInterval(sampling);
  expect(jsonBytes(result.stdout?.text ?? "")).toBeLessThanOrEqual(4_096);
  expect(result.stdout?.text).toMatch(/\n… \d+ bytes left out …\n/);
  return { result, growth: most - before };
}

test("a lot of output is counted and hashed in full, and takes no memory", async () => {
  const { result, growth } = await zeros(200_000_000);
  const hash = createHash("sha256");
  const million = Buffer.alloc(1_000_000);
  for (let written = 0; written < 200_000_000; written += million.length) hash.update(million);
  expect(result.outcome).toBe("Succeeded");
  expect(result.stdout).toMatchObject({
    bytes: 200_000_000,
    sha256: hash.digest("hex"),
    truncated: true,
  });
  expect(growth).toBeLessThan(200_000_000);
});

test("a gigabyte of output ends its command at the bound, and takes no memory", async () => {
  const { result, growth } = await zeros(1_000_000_000);
  expect(result).toMatchObject({
    outcome: "Failed",
    started: "True",
    reason: "OutputTooLarge",
    stdout: { bytes: 268_435_456, truncated: true },
  });
  expect(growth).toBeLessThan(200_000_000);
});

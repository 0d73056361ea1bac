import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ownCgroup } from "../../../src/agent/cgroup.ts";
import { runProcess, type ProcessRunnerOptions } from "../../../src/agent/process-runner.ts";
import { Redaction } from "../../../src/agent/redactor.ts";
import type { RunEnd } from "../../../src/agent/run-end.ts";
import { signalProcess } from "../../../src/agent/run-processes.ts";
import { RunSpool } from "../../../src/agent/run-spool.ts";
import { AttemptWorld, HAS_CGROUPS, owner, type Task } from "./attempt-world.ts";
import { eventually, isAlive } from "./world.ts";

const CANCELLED = {
  outcome: "Cancelled",
  reason: "Replaced",
  message: "It was replaced.",
} as const;

let world: AttemptWorld;
beforeEach(() => {
  world = new AttemptWorld();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Runs a script and has its owner ask for the end as soon as it has written the file "ready". */
async function endedWhenReady(
  task: Task,
  overrides: Partial<ProcessRunnerOptions> = {},
): Promise<RunEnd> {
  const own = owner();
  const running = runProcess(world.spec(task), own, world.options(overrides));
  await eventually(() => expect(world.read("ready")).not.toBe(""));
  own.end.end(CANCELLED);
  return running;
}

function script(text: string): [string, ...string[]] {
  return ["/bin/sh", "-c", text];
}

function ids(): number[] {
  return world.read("ready").trim().split(/\s+/).map(Number);
}

/** A process of a session of its own that ignores SIGTERM and writes its id to "ready". */
function escaped(env = ""): string {
  const inner = `trap "" TERM; echo $$ > ${world.path("fresh")}; mv ${world.path("fresh")} ${world.path("ready")}; sleep 300`;
  return `${env} setsid sh -c '${inner}; sleep 300' & wait`;
}

describe("what a run started is gone when the run was ended,", () => {
  test("also what hides in another session and ignores SIGTERM", async () => {
    const spool = new RunSpool(world.dataDir, world.path("no/cgroups"));
    const end = await endedWhenReady({ argv: script(escaped()) }, { spool });
    expect(end).toMatchObject({ ...CANCELLED, started: "True" });
    for (const pid of ids()) expect(isAlive(pid)).toBe(false);
  });

  test("also what hides its environment, if there are cgroups, and only then", async () => {
    const argv = script(escaped("env -i PATH=/usr/bin:/bin"));
    const end = await endedWhenReady({ argv });
    expect(end).toMatchObject(CANCELLED);
    for (const pid of ids()) {
      expect(isAlive(pid)).toBe(!HAS_CGROUPS);
      signalProcess(pid, "SIGKILL");
    }
  });

  test("and its cgroup with it, if it had one, however it ended", async () => {
    const own = ownCgroup() ?? world.dir;
    const ended = world.spec({
      argv: script(`sleep 300 & echo $! > ${world.path("ready")}; wait`),
    });
    await endedWhenReady(ended);
    const plain = world.spec({ argv: ["cat", "/proc/self/cgroup"] });
    const end = await runProcess(plain, owner(), world.options());
    expect(end.stdout?.text.includes(`steward-${plain.runID}.1\n`)).toBe(HAS_CGROUPS);
    const left = readdirSync(own).filter(
      (name) => name.includes(ended.runID) || name.includes(plain.runID),
    );
    expect(left).toEqual([]);
  });

  test("where no cgroup can be made, too", async () => {
    const spool = new RunSpool(world.dataDir, world.path("no/such/cgroup"));
    const argv = script(`sleep 300 & echo $! > ${world.path("ready")}; wait`);
    expect(await endedWhenReady({ argv }, { spool })).toMatchObject(CANCELLED);
    for (const pid of ids()) expect(isAlive(pid)).toBe(false);
  });

  test("where a cgroup cannot be joined, too", async () => {
    mkdirSync(world.path("cgroup"));
    const spool = new RunSpool(world.dataDir, world.path("cgroup"));
    const argv = script(`sleep 300 & echo $! > ${world.path("ready")}; wait`);
    expect(await endedWhenReady({ argv }, { spool })).toMatchObject(CANCELLED);
    for (const pid of ids()) expect(isAlive(pid)).toBe(false);
  });

  test("also when it was its keeper that was killed", async () => {
    const argv = script(
      `setsid sleep 300 & echo $! $$ > ${world.path("ready")}; kill -9 $PPID; wait`,
    );
    const end = await world.run({ argv });
    expect(end).toMatchObject({ outcome: "Failed", started: "True", signal: "SIGKILL" });
    expect(ids()).toHaveLength(2);
    for (const pid of ids()) expect(isAlive(pid)).toBe(false);
  });
});

describe("a run that is ended", () => {
  test("by its time has what it printed before, and how its process took it", async () => {
    const argv = script("echo before; exec sleep 300");
    const end = await world.run({ argv, timeoutMs: 500 });
    expect(end).toMatchObject({
      outcome: "TimedOut",
      started: "True",
      signal: "SIGTERM",
      stdout: { text: "before\n" },
    });
    expect(end.durationMs).toBeGreaterThanOrEqual(500);
  });

  test("may say something when it is asked to, and return a status", async () => {
    const path = world.path("ready");
    const argv = script(
      `trap 'echo asked; exit 7' TERM; echo x > ${path}; while true; do sleep 0.01; done`,
    );
    expect(await endedWhenReady({ argv })).toMatchObject({
      ...CANCELLED,
      exitCode: 7,
      stdout: { text: "asked\n" },
    });
  });

  test("before it is begun does not begin", async () => {
    const own = owner(() => expect.unreachable());
    own.end.end(CANCELLED);
    const end = await runProcess(world.spec({ argv: ["true"] }), own, world.options());
    expect(end).toEqual({ ...CANCELLED, started: "False" });
  });

  test("before its shell has claimed it never started", async () => {
    const shell = world.path("slow-shell");
    writeFileSync(shell, `#!/bin/sh\necho x > ${world.path("ready")}; exec sleep 300`, {
      mode: 0o755,
    });
    const end = await endedWhenReady({ argv: ["true"] }, { shell });
    expect(end).toEqual({ ...CANCELLED, started: "False" });
  });

  test("is timed from the moment that its time counts from", async () => {
    const end = await world.run({ argv: ["true"], ageMs: 10_000 });
    expect(end.durationMs).toBeGreaterThanOrEqual(10_000);
    expect(end).toMatchObject({ outcome: "Succeeded" });
  });
});

describe("output beyond the bound", () => {
  test("ends the run, and what is reported is what fits", async () => {
    const end = await world.shell("head -c 300000000 /dev/zero; sleep 300");
    expect(end).toMatchObject({
      outcome: "Failed",
      started: "True",
      reason: "OutputTooLarge",
      signal: "SIGTERM",
      stdout: { bytes: 268_435_456, truncated: true },
    });
    expect(end.message).toContain("stdout went beyond 256 MiB");
    expect(end.message).toContain("redirected into a file");
  });

  test("makes the run fail also if it ended first, whatever its status", async () => {
    const end = await world.shell("echo 12345 >&2", { maxOutputBytes: 5 });
    expect(end).toMatchObject({
      outcome: "Failed",
      exitCode: 0,
      reason: "OutputTooLarge",
      stderr: { text: "12345", bytes: 5 },
    });
    expect(end.message).toContain("stderr went beyond 5 bytes");
    const below = await world.shell("echo 1234 >&2", { maxOutputBytes: 5 });
    expect(below).toMatchObject({ outcome: "Succeeded", stderr: { text: "1234\n" } });
  });

  test("does not end with the first half of a secret", async () => {
    const print = "printf 'a: correct-horse'";
    const spec = world.spec({ argv: script(`${print} >&2; ${print}`) });
    const redaction = new Redaction(["correct-horse"]);
    const options = world.options({ maxOutputBytes: 12 });
    const end = await runProcess({ ...spec, redaction }, owner(), options);
    expect(end).toMatchObject({ reason: "OutputTooLarge", stdout: { text: "a: [redacted]" } });
    expect(end.stderr?.text).toBe("a: [redacted]");
  });

  test("is not read to its end, if it has none", async () => {
    const end = await world.shell("truncate -s 1T /dev/stdout; sleep 300", { maxOutputBytes: 9 });
    expect(end).toMatchObject({ reason: "OutputTooLarge", stdout: { bytes: 9 } });
  });
});

describe("a stream whose file", () => {
  const own = "$(readlink /proc/$$/fd/1)";

  test("is gone is left out", async () => {
    const end = await world.shell(`rm ${own}; echo gone; echo here >&2`);
    expect(end).toMatchObject({ outcome: "Succeeded", stderr: { text: "here\n" } });
    expect(end).not.toHaveProperty("stdout");
  });

  test.each(["mkfifo $file", "mkdir $file", "ln -s /etc/passwd $file", "ln -s /dev/zero $file"])(
    "is something else by now (%s) is left out",
    async (replace) => {
      const end = await world.shell(`file=${own}; rm $file; ${replace}; sleep 300 &`);
      expect(end).toMatchObject({ outcome: "Succeeded" });
      expect(end).not.toHaveProperty("stdout");
    },
  );

  test.each([
    ["exit 3", { exitCode: 3 }],
    ["exit 125", { exitCode: 125 }],
    ["kill -SEGV $$", { signal: "SIGSEGV" }],
    ["kill -9 0; sleep 60", { signal: "SIGKILL" }],
  ])("was removed with all others is left out, and the end (%s) is known", async (last, how) => {
    const end = await world.shell(`rm -r $(dirname ${own}); ${last}`);
    expect(end).toMatchObject({ outcome: "Failed", started: "True", ...how });
    expect(end).not.toHaveProperty("stdout");
  });
});

describe("what a command leaves in the background", () => {
  test("is not waited for and left alone", async () => {
    const end = await world.shell("(sleep 300; echo late) & echo $!");
    expect(end).toMatchObject({ outcome: "Succeeded", exitCode: 0 });
    expect(isAlive(Number(end.stdout?.text))).toBe(true);
  });

  test("is killed when it prints beyond the bound, also into files that are removed", async () => {
    const spec = world.spec({ argv: script("(sleep 0.5; exec yes) & echo $!") });
    const options = world.options({ maxOutputBytes: 100_000 });
    const end = await runProcess(spec, owner(), options);
    expect(end).toMatchObject({ outcome: "Succeeded" });
    await options.spool.remove(spec.runID);
    await eventually(() => expect(isAlive(Number(end.stdout?.text))).toBe(false));
  });
});

describe("without room for its files", () => {
  test("a run is not started, and says why", async () => {
    mkdirSync(world.dataDir);
    writeFileSync(join(world.dataDir, "runs"), "");
    const own = owner(() => expect.unreachable());
    const end = await runProcess(world.spec({ argv: ["true"] }), own, world.options());
    expect(end).toMatchObject({ outcome: "Failed", started: "False", reason: "SpoolUnavailable" });
    expect(end.message).toContain("EEXIST");
  });

  test("a run whose shell cannot claim it is not started", async () => {
    const shell = world.path("other-shell");
    writeFileSync(shell, `#!/bin/sh\nrm -r "$2"; exec /bin/sh "$@"`, { mode: 0o755 });
    const end = await world.run({ argv: ["touch", world.path("ran")] }, { shell });
    expect(end).toMatchObject({ outcome: "Failed", started: "False", reason: "SpoolUnavailable" });
    expect(existsSync(world.path("ran"))).toBe(false);
  });

  test("of processes, a run is not started", async () => {
    const shell = world.path("poor-shell");
    writeFileSync(shell, `#!/bin/sh\necho $$ > "$2/pid"; echo begun >&4; echo none >&4; exit 2`, {
      mode: 0o755,
    });
    const end = await world.run({ argv: ["true"] }, { shell });
    expect(end).toMatchObject({ outcome: "Failed", started: "False", reason: "SpawnFailed" });
  });

  test("of a shell, a run is not started", async () => {
    const end = await world.run({ argv: ["true"] }, { shell: world.path("no-shell") });
    expect(end).toMatchObject({ started: "False", reason: "ProgramNotFound" });
    expect(end.message).toContain("no-shell");
  });
});

describe("the files of attempts", () => {
  test("are the agent's alone, and do not have the input for longer than it takes", async () => {
    const spec = world.spec({ argv: ["true"], stdin: "secret" });
    await runProcess(spec, owner(), world.options());
    const folder = world.path(`data/runs/${spec.runID}.1`);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) {
      if (name !== "pid") expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    }
    expect(readdirSync(folder)).not.toContain("stdin");
  });

  test("are removed by run", async () => {
    const { spool } = world.options();
    const [first, second] = [randomUUID(), randomUUID()];
    for (const runID of [first, second]) await world.run({ runID, argv: ["true"] });
    await spool.remove(first);
    expect(readdirSync(world.path("data/runs"))).toEqual([`${second}.1`]);
    await spool.retain(new Set([second]));
    expect(readdirSync(world.path("data/runs"))).toEqual([`${second}.1`]);
    mkdirSync(world.path(`data/runs/${first}.1`));
    mkdirSync(world.path(`data/runs/${first}.1.removed/left`), { recursive: true });
    await spool.retain(new Set());
    expect(readdirSync(world.path("data/runs"))).toEqual([]);
  });

  test("are made also after the folder of all of them was removed", async () => {
    const options = world.options();
    const run = (): Promise<RunEnd> => runProcess(world.spec({ argv: ["true"] }), owner(), options);
    expect(await run()).toMatchObject({ outcome: "Succeeded" });
    rmSync(world.path("data/runs"), { recursive: true });
    expect(await run()).toMatchObject({ outcome: "Succeeded" });
  });

  test("are made once: an attempt is never begun again", async () => {
    const spec = world.spec({ argv: script(`echo ran >> ${world.path("ran")}`) });
    await runProcess(spec, owner(), world.options());
    await expect(runProcess(spec, owner(), world.options())).rejects.toThrow("begun before");
    expect(world.read("ran")).toBe("ran\n");
  });
});

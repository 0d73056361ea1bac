import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptFolder } from "../../../src/agent/attempt-folder.ts";
import {
  reattachProcess,
  runProcess,
  type ProcessSpec,
} from "../../../src/agent/process-runner.ts";
import { CANCELLED } from "../../../src/agent/run-end.ts";
import { signalGroup, signalProcess } from "../../../src/agent/run-processes.ts";
import type { RunSpool } from "../../../src/agent/run-spool.ts";
import { startWrapper, type Wrapper } from "../../../src/agent/wrapper.ts";
import { launchScript } from "../../../src/agent/launch-script.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { AttemptWorld, HAS_CGROUPS, killed, owner, SHELLS } from "./attempt-world.ts";
import { eventually, isAlive } from "./world.ts";

let world: AttemptWorld;
beforeEach(() => {
  world = new AttemptWorld();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

describe("a command whose agent was killed", () => {
  test("is taken up while it runs, and its end is seen", async () => {
    const spec = await world.orphaned({
      argv: world.waiting("cat; echo after; exit 3"),
      stdin: "input\n",
    });
    const forks: string[] = [];
    const reattached = reattachProcess(
      spec,
      owner(() => forks.push("forked")),
      world.options(),
    );
    await eventually(() => expect(forks).toEqual(["forked"]));
    world.go();
    const end = await reattached;
    expect(end).toMatchObject({
      outcome: "Failed",
      started: "True",
      exitCode: 3,
      stdout: { text: "before\ninput\nafter\n", truncated: false },
      stderr: { text: "" },
    });
    expect(end).toHaveProperty("durationMs");
    expect(forks).toEqual(["forked"]);
  });

  test("is taken up after it has ended, without a guess of how long it took", async () => {
    const spec = await world.orphaned({ argv: world.waiting("kill -SEGV $$"), timeoutMs: 60_000 });
    const keeper = world.keeperOf(spec);
    world.go();
    await eventually(() => expect(isAlive(keeper)).toBe(false));
    // However late it is meanwhile.
    const end = await world.reattach({ ...spec, deadline: systemClock.monotonic() - 1_000 });
    expect(end).toMatchObject({
      outcome: "Failed",
      signal: "SIGSEGV",
      stdout: { text: "before\n" },
    });
    expect(end).not.toHaveProperty("durationMs");
  });

  test("is ended at once if its time is up", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    const end = await world.reattach({ ...spec, deadline: systemClock.monotonic() - 1_000 });
    expect(end).toMatchObject({
      outcome: "TimedOut",
      started: "True",
      signal: "SIGTERM",
      stdout: { text: "before\n" },
    });
    expect(isAlive(Number(world.read("ready")))).toBe(false);
  });

  test("keeps its time", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    const deadline = systemClock.monotonic() + 300;
    expect(await world.reattach({ ...spec, deadline })).toMatchObject({ outcome: "TimedOut" });
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(deadline);
  });

  test("is ended when its owner asks for it", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    const own = owner();
    const reattached = reattachProcess(spec, own, world.options());
    own.end.end({ outcome: "Cancelled", reason: "Replaced", message: "" });
    expect(await reattached).toMatchObject({ outcome: "Cancelled", signal: "SIGTERM" });
    expect(isAlive(Number(world.read("ready")))).toBe(false);
  });

  test("is ended when it prints too much", async () => {
    const spec = await world.orphaned({ argv: world.waiting("exec yes") });
    world.go();
    const end = await world.reattach(spec, { maxOutputBytes: 1_000 });
    expect(end).toMatchObject({ reason: "OutputTooLarge", stdout: { bytes: 1_000 } });
  });

  test("was ended by SIGKILL if its keeper is gone without a word, and nothing is left of it", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    const keeper = world.keeperOf(spec);
    process.kill(keeper, "SIGKILL");
    await eventually(() => expect(isAlive(keeper)).toBe(false));
    const end = await world.reattach(spec);
    expect(end).toMatchObject({ outcome: "Failed", started: "True", signal: "SIGKILL" });
    expect(isAlive(Number(world.read("ready")))).toBe(false);
  });

  test("is not mistaken for another process that has its keeper's number by now", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    const keeper = world.keeperOf(spec);
    process.kill(-keeper, "SIGKILL");
    await eventually(() => expect(isAlive(keeper)).toBe(false));
    const other = spawn("sleep", ["300"], { detached: true, stdio: "ignore" });
    writeFileSync(`${world.folderOf(spec)}/pid`, `${other.pid}\n`);
    expect(await world.reattach(spec)).toMatchObject({ signal: "SIGKILL" });
    expect(isAlive(other.pid ?? 0)).toBe(true);
    await killed(other);
  });

  test("is ended for the cause of the agent that asked it to and died, and nothing is left of it", async () => {
    const stays = `sh -c 'trap "" TERM; echo $$ > ${world.path("stays")}; exec sleep 300'`;
    const isThere = `until [ -s ${world.path("stays")} ]; do sleep 0.01; done`;
    const spec = await world.orphaned({
      argv: ["/bin/sh", "-c", `${stays} & ${isThere}; echo $$ > ${world.path("ready")}; wait`],
    });
    const keeper = world.keeperOf(spec);
    signalGroup(keeper, "SIGTERM");
    await eventually(() => expect(isAlive(keeper)).toBe(false));
    expect(isAlive(Number(world.read("stays")))).toBe(true);
    const own = owner();
    own.end.end(CANCELLED);
    const end = await reattachProcess(spec, own, world.options());
    expect(end).toMatchObject({ ...CANCELLED, started: "True", signal: "SIGTERM" });
    expect(isAlive(Number(world.read("stays")))).toBe(false);
  });

  test("has run out of time if its agent died over ending it for that", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    const keeper = world.keeperOf(spec);
    new AttemptFolder(world.folderOf(spec)).noteTimeUp();
    signalGroup(keeper, "SIGKILL");
    await eventually(() => expect(isAlive(keeper)).toBe(false));
    const end = await world.reattach(spec);
    expect(end).toMatchObject({ outcome: "TimedOut", started: "True", signal: "SIGKILL" });
  });

  test("has not run out of time if it ended in time and was looked at later", async () => {
    const spec = await world.orphaned({ argv: world.waiting("exit 3") });
    const keeper = world.keeperOf(spec);
    const ended = (): Promise<void> => eventually(() => expect(isAlive(keeper)).toBe(false));
    const clock = {
      ...systemClock,
      monotonic: () => (isAlive(keeper) ? spec.deadline - 1 : spec.deadline),
      // What waits for its time has a signal. What looks for its keeper has none, and comes after that.
      sleep: async (_: number, signal?: AbortSignal) => {
        await ended();
        if (signal === undefined) await systemClock.sleep(200);
      },
    };
    const reattached = reattachProcess(
      spec,
      owner(() => world.go()),
      world.options({ clock }),
    );
    expect(await reattached).toMatchObject({ outcome: "Failed", exitCode: 3 });
  });

  test("is found in its cgroup, if it has one, by an agent of another place", async () => {
    const escape = `env -i PATH=/usr/bin:/bin setsid sh -c 'trap "" TERM; sleep 300; sleep 300' &`;
    const spec = await world.orphaned({
      argv: ["/bin/sh", "-c", `${escape} echo $! > ${world.path("ready")}; wait`],
    });
    const end = await world.reattach({ ...spec, deadline: 0 });
    expect(end).toMatchObject({ outcome: "TimedOut" });
    const escaped = Number(world.read("ready"));
    expect(isAlive(escaped)).toBe(!HAS_CGROUPS);
    signalProcess(escaped, "SIGKILL");
    if (HAS_CGROUPS) {
      expect(existsSync(readFileSync(`${world.folderOf(spec)}/cgroup`, "utf8"))).toBe(false);
    }
  });

  test("is taken up again and again", async () => {
    const spec = await world.orphaned({ argv: world.waiting("exit 4") });
    const reattached = [world.reattach(spec), world.reattach(spec)];
    world.go();
    for (const end of await Promise.all(reattached)) expect(end).toMatchObject({ exitCode: 4 });
    expect(await world.reattach(spec)).toMatchObject({ exitCode: 4 });
  });
});

describe("a command that was not started", () => {
  test("when its agent died before it made a file never will be", async () => {
    const spec = world.spec({ argv: ["true"] });
    expect(await world.reattach(spec)).toBe("neverStarted");
    // The answer is for good, until what it is from is removed.
    expect(await world.reattach(spec)).toBe("neverStarted");
    await expect(runProcess(spec, owner(), world.options())).rejects.toThrow("begun before");
    await world.options().spool.remove(spec.runID);
    expect(await runProcess(spec, owner(), world.options())).toMatchObject({ exitCode: 0 });
    expect(await world.reattach(spec)).toMatchObject({ exitCode: 0 });
  });

  test("as far as its files tell, but was, as its agent knew, is not taken for one that never was", async () => {
    const spec = { ...world.spec({ argv: ["true"] }), wasForked: true };
    expect(await world.reattach(spec)).toMatchObject({ started: "True", reason: "FilesLost" });
    expect(await world.reattach(spec)).toMatchObject({ started: "True", reason: "FilesLost" });
  });

  test("when its agent died with the files made never will be, nor has it an owner to tell", async () => {
    const { spool } = world.options();
    const spec = world.spec({ argv: ["true"] });
    spool.prepare();
    spool.attempt(spec.runID, 1).create({ stdin: "input", launch: "" });
    const silent = owner(() => expect.unreachable());
    expect(await reattachProcess(spec, silent, world.options())).toBe("neverStarted");
  });

  test("because its keeper died over its claim never was", async () => {
    const { spool } = world.options();
    const spec = world.spec({ argv: ["true"] });
    spool.prepare();
    spool.attempt(spec.runID, 1).create({ stdin: "", launch: "" });
    writeFileSync(`${world.folderOf(spec)}/pid`, "");
    expect(await world.reattach(spec)).toBe("neverStarted");
  });

  test("because its keeper died right after its claim says so", async () => {
    const { spool } = world.options();
    const spec = world.spec({ argv: ["true"] });
    spool.prepare();
    spool.attempt(spec.runID, 1).create({ stdin: "", launch: "" });
    writeFileSync(`${world.folderOf(spec)}/pid`, "99999999\n");
    expect(await world.reattach(spec)).toMatchObject({ started: "False" });
  });
});

describe("a command whose files were taken away under it", () => {
  test("is ended in its time", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    rmSync(world.folderOf(spec), { recursive: true });
    const deadline = systemClock.monotonic() + 300;
    const end = await world.reattach({ ...spec, deadline });
    expect(end).toMatchObject({ outcome: "TimedOut", started: "Unknown" });
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(deadline);
    expect(isAlive(Number(world.read("ready")))).toBe(false);
  });

  test("is FilesLost if it ends before that, and whether it has started is not guessed", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    rmSync(world.folderOf(spec), { recursive: true });
    const reattached = world.reattach(spec);
    world.go();
    expect(await reattached).toMatchObject({ reason: "FilesLost", started: "Unknown" });
  });
});

async function over(wrapper: Wrapper): Promise<void> {
  if ("failed" in wrapper) throw new Error(wrapper.failed);
  await wrapper.exited;
}

describe.each(SHELLS)("the claim, with %s as the keeper:", (shell) => {
  /** Does what an agent does to start a command, up to the point where it has the wrapper. */
  function begin(spool: RunSpool, spec: ProcessSpec): Promise<Wrapper> {
    const folder = spool.attempt(spec.runID, 1);
    const files = folder.create({ stdin: "", launch: launchScript(spec.env, "/") });
    const { argv, env } = spec;
    return startWrapper(
      {
        shell,
        script: spool.script,
        folder,
        cgroup: undefined,
        prefix: [],
        argv,
        env,
      },
      files,
    );
  }

  test("a keeper that comes late runs nothing", async () => {
    const { spool } = world.options();
    spool.prepare();
    const spec = world.spec({ argv: ["touch", world.path("ran")] });
    const folder = spool.attempt(spec.runID, 1);
    const files = folder.create({ stdin: "", launch: launchScript(spec.env, "/") });
    expect(await folder.claim(systemClock, spec.deadline)).toBeUndefined();
    const { argv, env } = spec;
    await over(
      await startWrapper(
        {
          shell,
          script: spool.script,
          folder,
          cgroup: undefined,
          prefix: [],
          argv,
          env,
        },
        files,
      ),
    );
    expect(existsSync(world.path("ran"))).toBe(false);
    expect(folder.lastWords().progress()).toBe("unbegun");
  });

  test("a keeper that comes after the files were removed runs nothing", async () => {
    const { spool } = world.options();
    spool.prepare();
    const spec = world.spec({ argv: ["touch", world.path("ran")] });
    const folder = new AttemptFolder(world.path("elsewhere"));
    const files = folder.create({ stdin: "", launch: launchScript(spec.env, "/") });
    rmSync(folder.path, { recursive: true });
    const { argv, env } = spec;
    await over(
      await startWrapper(
        {
          shell,
          script: spool.script,
          folder,
          cgroup: undefined,
          prefix: [],
          argv,
          env,
        },
        files,
      ),
    );
    expect(existsSync(world.path("ran"))).toBe(false);
  });

  test("a keeper whose files were made anew meanwhile has no claim to those", async () => {
    const { spool } = world.options();
    spool.prepare();
    const spec = world.spec({ argv: ["touch", world.path("ran")] });
    const folder = spool.attempt(spec.runID, 1);
    const { argv, env } = spec;
    const wrapper = {
      shell,
      script: spool.script,
      folder,
      cgroup: undefined,
      prefix: [],
      argv,
      env,
    };
    const old = folder.create({ stdin: "", launch: launchScript(spec.env, "/") });
    await spool.remove(spec.runID);
    const files = folder.create({ stdin: "", launch: launchScript(spec.env, "/") });
    await over(await startWrapper(wrapper, old));
    expect(existsSync(world.path("ran"))).toBe(false);
    await over(await startWrapper(wrapper, files));
    expect(existsSync(world.path("ran"))).toBe(true);
  });

  test("of an agent and a keeper that race, one has it, and the truth agrees", async () => {
    const { spool } = world.options();
    spool.prepare();
    const argv = ["/bin/sh", "-c", `echo $STEWARD_RUN_ID >> ${world.path("ran")}`] as const;
    const claims = new Map<string, number | undefined>();
    // Whoever won is given less of a start in the next race, so that neither wins them all.
    let headStart = 1;
    for (let race = 0; race < 100; race += 1) {
      const spec = world.spec({ argv });
      const wrapper = await begin(spool, spec);
      const until = systemClock.monotonic() + headStart;
      while (systemClock.monotonic() < until);
      const pid = await spool.attempt(spec.runID, 1).claim(systemClock, spec.deadline);
      headStart = Math.max(0, headStart + (pid === undefined ? 0.1 : -0.1));
      claims.set(spec.runID, pid);
      await over(wrapper);
    }
    const ran = world.read("ran").split("\n").slice(0, -1);
    const started = [...claims].filter(([, pid]) => pid !== undefined).map(([runID]) => runID);
    expect(ran.toSorted()).toEqual(started.toSorted());
  });
});

test("an agent that is killed at any moment leaves a command that ran once or never will", async () => {
  mkdirSync(world.path("ran"));
  const rounds = Array.from({ length: 8 }, (_, round) => round);
  for (const round of rounds) {
    const truth = world.path(`ran/${round}`);
    const spec = world.spec({ argv: ["/bin/sh", "-c", `echo ran >> ${truth}`] });
    const agent = world.startEarlierAgent(spec);
    // From when its files are made on; a little later each time.
    await eventually(() => expect(existsSync(world.folderOf(spec))).toBe(true));
    const until = systemClock.monotonic() + round / 4;
    while (systemClock.monotonic() < until);
    await killed(agent);
    const end = await world.reattach(spec);
    if (end === "neverStarted") expect(existsSync(truth)).toBe(false);
    else {
      expect(end).toMatchObject({ outcome: "Succeeded", exitCode: 0 });
      expect(readFileSync(truth, "utf8")).toBe("ran\n");
    }
  }
});

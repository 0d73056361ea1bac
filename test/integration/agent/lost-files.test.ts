import { readdirSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { endOfAttempt } from "../../../src/agent/attempt-end.ts";
import {
  reattachProcess,
  runProcess,
  type ProcessSpec,
} from "../../../src/agent/process-runner.ts";
import { CANCELLED } from "../../../src/agent/run-end.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { AttemptWorld, owner } from "./attempt-world.ts";
import { eventually, isAlive } from "./world.ts";

const LOST = { outcome: "Failed", started: "True", reason: "FilesLost" } as const;

let world: AttemptWorld;
beforeEach(() => {
  world = new AttemptWorld();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A command whose agent was killed, once it had written down that it runs. */
async function orphaned(): Promise<ProcessSpec & { readonly wasForked: true }> {
  const spec = await world.orphaned({ argv: world.waiting("true") });
  return { ...spec, wasForked: true };
}

function isCommandAlive(): boolean {
  return isAlive(Number(world.read("ready")));
}

/** Lets the command of an attempt end. */
async function over(keeper: number): Promise<void> {
  world.go();
  await eventually(() => expect(isAlive(keeper)).toBe(false));
}

/** Puts a link in the place of an attempt's output that leads to itself. */
function loopOutput(spec: ProcessSpec): void {
  const stdout = join(world.folderOf(spec), "stdout");
  rmSync(stdout);
  symlinkSync(stdout, stdout);
}

function loseAllIn(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
}

test("a command that runs is not begun again because all files of its attempt were removed", async () => {
  const spec = await orphaned();
  loseAllIn(world.folderOf(spec));
  const reattached = world.reattach(spec);
  world.go();
  expect(await reattached).toMatchObject(LOST);
});

test("a command that ran is not begun again because all files of its attempt were removed", async () => {
  const spec = await orphaned();
  await over(world.keeperOf(spec));
  loseAllIn(world.folderOf(spec));
  expect(await world.reattach(spec)).toMatchObject(LOST);
});

test.each(["exit", "wrapper", "pid"])(
  "a command that ran, as its agent died too soon to write down, is not begun again because `%s` was removed",
  async (file) => {
    const { wasForked: _, ...spec } = await orphaned();
    await over(world.keeperOf(spec));
    rmSync(join(world.folderOf(spec), file));
    expect(await world.reattach(spec)).toMatchObject({ ...LOST, started: "Unknown" });
  },
);

describe.each([
  ["`exit`", "exit"],
  ["`wrapper`", "wrapper"],
  ["folder", "."],
])("a command that was started, and whose %s is lost,", (_, file) => {
  async function lost(): Promise<ProcessSpec & { readonly wasForked: true }> {
    const spec = await orphaned();
    rmSync(join(world.folderOf(spec), file), { recursive: true });
    return spec;
  }

  test("ends as one of which nobody knows how it did", async () => {
    const reattached = world.reattach(await lost());
    world.go();
    expect(await reattached).toMatchObject(LOST);
  });

  test("is ended when its time is up", async () => {
    const spec = await lost();
    const end = await world.reattach({ ...spec, deadline: systemClock.monotonic() });
    expect(end).toMatchObject({ outcome: "TimedOut", started: "True" });
    expect(isCommandAlive()).toBe(false);
  });

  test("is ended when its owner asks for it", async () => {
    const own = owner();
    const reattached = reattachProcess(await lost(), own, world.options());
    own.end.end(CANCELLED);
    expect(await reattached).toMatchObject({ ...CANCELLED, started: "True" });
    expect(isCommandAlive()).toBe(false);
  });
});

describe("last words that were truncated are lost,", () => {
  test("and say of no command that it was not started", async () => {
    const spec = world.spec({ argv: world.waiting("true") });
    const running = runProcess(spec, owner(), world.options());
    await world.ready();
    truncateSync(join(world.folderOf(spec), "exit"));
    world.go();
    expect(await running).toMatchObject(LOST);
  });

  test("and say so to the next agent, too", async () => {
    const spec = await world.orphaned({ argv: world.waiting("true") });
    await over(world.keeperOf(spec));
    truncateSync(join(world.folderOf(spec), "exit"));
    const started = { ...spec, wasForked: true };
    expect(await world.reattach(started)).toMatchObject(LOST);
  });
});

describe("output that cannot be looked at", () => {
  test("is left out, and the end of its command is known", async () => {
    const spec = world.spec({ argv: world.waiting("exit 3") });
    const running = runProcess(spec, owner(), world.options());
    await world.ready();
    loopOutput(spec);
    world.go();
    const end = await running;
    expect(end).toMatchObject({ outcome: "Failed", exitCode: 3 });
    expect(end).not.toHaveProperty("stdout");
  });

  test("is left out by the next agent, too", async () => {
    const spec = await world.orphaned({ argv: world.waiting("exit 3") });
    loopOutput(spec);
    const reattached = world.reattach(spec);
    world.go();
    expect(await reattached).toMatchObject({ outcome: "Failed", exitCode: 3 });
  });
});

test("an attempt whose keeper cannot be looked at throws to its owner, and to nobody else", async () => {
  const spec = await orphaned();
  const folder = world.options().spool.attempt(spec.runID, 1);
  const attempt = {
    ...spec,
    ...owner(),
    folder,
    words: folder.lastWords(),
    processes: { runID: spec.runID, group: undefined, cgroup: undefined },
    over: Promise.reject(new Error("EIO")),
  };
  const limits = { clock: systemClock, killGraceMs: 300, maxOutputBytes: 1_000 };
  // A rejection that nobody handled would fail the whole run of these tests.
  await expect(endOfAttempt(attempt, limits)).rejects.toThrow("EIO");
});

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Account } from "../../../src/agent/account.ts";
import { inheritableFiles } from "../../../src/agent/inherited-files.ts";
import { findSetpriv, Privileges, type Standing } from "../../../src/agent/privileges.ts";
import { CANCELLED, type RunEnd } from "../../../src/agent/run-end.ts";
import { runProcess } from "../../../src/agent/process-runner.ts";
import { wrapperRuns, wrappersOf } from "../../../src/agent/run-processes.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { OWN_STANDING, standingAs } from "../../support/standings.ts";
import { AttemptWorld, owner, SHELLS } from "./attempt-world.ts";
import { isAlive } from "./world.ts";

// These tests are root's, as an agent that changes users is: it is what the whole suite runs as.
const NOBODY = await standingAs("nobody");

let world: AttemptWorld;
beforeEach(() => {
  world = new AttemptWorld();
  // The data directory stays the agent's alone.
  chmodSync(world.dir, 0o755);
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

function asNobody(
  script: string,
  task: { stdin?: string; workingDir?: string } = {},
): Promise<RunEnd> {
  return world.run({ argv: ["/bin/sh", "-c", script], standing: NOBODY, ...task });
}

/** A folder that anybody may write to. */
function shared(): string {
  const path = world.path("shared");
  mkdirSync(path);
  chmodSync(path, 0o777);
  return path;
}

describe("a command as another user", () => {
  test("has that user's ids and groups, and none of the agent's", async () => {
    const end = await asNobody("id -u; id -g; id -G; id -un");
    const { uid, gid } = NOBODY.account;
    expect(end).toMatchObject({ outcome: "Succeeded" });
    expect(end.stdout?.text).toBe(`${uid}\n${gid}\n${gid}\nnobody\n`);
  });

  test("has no capability, and can get none", async () => {
    const end = await asNobody("grep -E '^(Cap|NoNewPrivs)' /proc/self/status");
    const none = "0".repeat(16);
    const sets = ["Inh", "Prm", "Eff", "Bnd", "Amb"].map((set) => `Cap${set}:\t${none}\n`);
    expect(end.stdout?.text).toBe(`${sets.join("")}NoNewPrivs:\t1\n`);
  });

  test("gains nothing by a setuid program", async () => {
    const folder = shared();
    copyFileSync("/usr/bin/id", `${folder}/id`);
    chmodSync(`${folder}/id`, 0o4755);
    const end = await asNobody(`${folder}/id -u`);
    expect(end.stdout?.text).toBe(`${NOBODY.account.uid}\n`);
  });

  test("has the environment of that user and nothing of the agent's", async () => {
    const spec = world.spec({ argv: ["env"], standing: NOBODY });
    const end = await runProcess(spec, owner(), world.options());
    const lines = (end.stdout?.text ?? "").split("\n").filter((line) => !/^(_|SHLVL)=/.test(line));
    const want = { ...spec.env, PWD: "/" };
    expect(new Set(lines)).toEqual(
      new Set([...Object.entries(want).map(([name, value]) => `${name}=${value}`), ""]),
    );
    expect(want).toMatchObject({ USER: "nobody", LOGNAME: "nobody", SHELL: "/bin/sh" });
  });

  test("makes files that are its own and nobody else's to read", async () => {
    const folder = shared();
    await asNobody(`umask; echo text > ${folder}/file; mkdir ${folder}/sub`);
    const { uid } = NOBODY.account;
    expect(statSync(`${folder}/file`)).toMatchObject({ uid, mode: 0o100600 });
    expect(statSync(`${folder}/sub`)).toMatchObject({ uid, mode: 0o040700 });
  });

  test("has three open files, which it can open again", async () => {
    const script = "cat /dev/stdin; echo out >> /dev/stdout; echo err > /dev/stderr";
    const end = await asNobody(script, { stdin: "input\n" });
    expect(end).toMatchObject({ stdout: { text: "input\nout\n" }, stderr: { text: "err\n" } });
    const listed = await asNobody("ls /proc/$$/fd; true");
    // What the runner of the tests has inherited, an agent closes when it starts.
    const inherited = new Set(inheritableFiles().map(String));
    const own = (listed.stdout?.text ?? "").trim().split("\n");
    expect(own.filter((fd) => !inherited.has(fd))).toEqual(["0", "1", "2"]);
  });

  test("cannot reach the agent's files, signal its keeper or claim an attempt", async () => {
    const spec = world.spec({ argv: ["true"] });
    const folder = `${world.dataDir}/runs`;
    const script = `ls ${folder}; kill -9 $PPID; cat /proc/$PPID/environ; ls /proc/$PPID/fd; exit 7`;
    expect(await asNobody(script)).toMatchObject({ exitCode: 7, stdout: { bytes: 0 } });
    expect(await runProcess(spec, owner(), world.options())).toMatchObject({ exitCode: 0 });
  });

  test("is ended with all that it started when it is cancelled", async () => {
    const folder = shared();
    const script = `trap '' TERM; (setsid sleep 60 & echo $! > ${folder}/far); echo $$ > ${folder}/near; sleep 60`;
    const own = owner();
    const spec = world.spec({ argv: ["/bin/sh", "-c", script], standing: NOBODY });
    const ended = runProcess(spec, own, world.options());
    await expect.poll(() => world.read("shared/near"), { timeout: 20_000 }).toMatch(/^\d+\n$/);
    own.end.end(CANCELLED);
    expect(await ended).toMatchObject({ outcome: "Cancelled", started: "True" });
    for (const name of ["near", "far"]) {
      const pid = Number(world.read(`shared/${name}`));
      await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
    }
  });

  test("is taken up by the next agent like any other", async () => {
    const folder = shared();
    const ready = `echo $$ > ${folder}/ready; while ! [ -e ${folder}/go ]; do sleep 0.01; done`;
    const argv = ["/bin/sh", "-c", `${ready}; id -un; exit 3`] as const;
    const spec = world.spec({ argv: [...argv], standing: NOBODY });
    const earlier = world.startEarlierAgent(spec);
    await expect.poll(() => world.read("shared/ready"), { timeout: 20_000 }).not.toBe("");
    earlier.kill("SIGKILL");
    const reattached = world.reattach(spec);
    writeFileSync(`${folder}/go`, "");
    expect(await reattached).toMatchObject({ exitCode: 3, stdout: { text: "nobody\n" } });
  });

  test("is not started in a folder that the user may not enter", async () => {
    mkdirSync(world.path("private"), { mode: 0o700 });
    const end = await asNobody("pwd", { workingDir: world.path("private") });
    expect(end).toMatchObject({ outcome: "Failed", started: "False", reason: "PermissionDenied" });
    expect(end.message).toBe(`The user nobody may not work in "${world.path("private")}".`);
  });

  test("goes to its folder by itself, and so not where only its keeper could", async () => {
    const end = await asNobody('pwd -P; pwd; echo "$OLDPWD"', { workingDir: "/proc/self/cwd" });
    // What it is for the agent is the folder of whoever runs the tests.
    expect(end.stdout?.text).toBe("/\n/proc/self/cwd\n\n");
  });

  test("is not started if the user may not execute the program", async () => {
    const path = world.path("tool");
    writeFileSync(path, "#!/bin/sh\n", { mode: 0o700 });
    const end = await world.run({ argv: [path], standing: NOBODY });
    expect(end).toMatchObject({ started: "False", reason: "PermissionDenied" });
    expect(end.message).toBe(`The user nobody may not execute "${path}".`);
  });

  test("has failed, and may be tried again, if the user has as many processes as it may", async () => {
    const prefix = ["/usr/bin/prlimit", "--nproc=0", "--", ...NOBODY.prefix];
    const end = await world.run({ argv: ["true"], standing: { ...NOBODY, prefix } });
    expect(end).toMatchObject({ outcome: "Failed", started: "False", reason: "SpawnFailed" });
    expect(end.message).toMatch(/^There was no process to be had for the user nobody: setpriv: /);
  });

  test("does not pass for the keeper of an attempt", async () => {
    const folder = world.path("attempt");
    const { uid, gid } = NOBODY.account;
    const start = (as: object): ChildProcess => spawn("/bin/sh", ["-s", folder], as);
    const [own, other] = [start({}), start({ uid, gid })];
    try {
      await expect.poll(() => wrappersOf(folder)).toEqual([own.pid]);
      await expect.poll(() => readFileSync(`/proc/${other.pid}/cmdline`, "utf8")).toMatch(folder);
      expect(wrappersOf(folder)).toEqual([own.pid]);
      expect(wrapperRuns(Number(other.pid), folder)).toBe(false);
      expect(wrapperRuns(Number(own.pid), folder)).toBe(true);
    } finally {
      for (const child of [own, other]) child.kill("SIGKILL");
    }
  });

  test("is rejected, with what setpriv has to say, if the machine does not know the user", async () => {
    const account: Account = { ...NOBODY.account, username: "ghost" };
    const prefix = NOBODY.prefix.map((part) => part.replace("=nobody", "=ghost"));
    const standing: Standing = { account, prefix, isOther: true };
    const end = await world.run({ argv: ["true"], standing });
    expect(end).toMatchObject({ outcome: "Rejected", started: "False", reason: "CannotRunAs" });
    expect(end.message).toMatch(/^The node cannot run a command as ghost: setpriv: .*ghost/);
  });
});

/** Beside what a command might be made to start by its environment: each says so in the file `who`. */
function planted(): string {
  const folder = shared();
  writeFileSync(`${folder}/planted.sh`, `id -un >> ${folder}/who\n`, { mode: 0o755 });
  return folder;
}

describe("what a command is given", () => {
  test.each(SHELLS)("is not given to the agent's own processes, with %s", async (shell) => {
    const folder = planted();
    const env = {
      ENV: `${folder}/planted.sh`,
      BASH_ENV: `${folder}/planted.sh`,
      LD_PRELOAD: `${folder}/planted.so`,
      PATH: `${folder}:/usr/bin:/bin`,
    };
    for (const name of ["setpriv", "sh", "echo", "trap"]) {
      copyFileSync(`${folder}/planted.sh`, `${folder}/${name}`);
    }
    const task = { argv: ["/usr/bin/env"] as [string], env, standing: NOBODY };
    const end = await world.run(task, { shell });
    expect(end).toMatchObject({ exitCode: 0 });
    expect(end.stdout?.text).toContain(`LD_PRELOAD=${folder}/planted.so\n`);
    // The loader complains of what it cannot preload, once: for the command.
    expect(end.stderr?.text.match(/planted\.so/g) ?? []).toHaveLength(1);
    expect(() => readFileSync(`${folder}/who`)).toThrow("ENOENT");
  });

  test.each(SHELLS)("arrives as it is, with %s", async (shell) => {
    const value = fc
      .string({ unit: "binary", maxLength: 40 })
      .filter((text) => !/[\0\uD800-\uDFFF]/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
        const env = Object.fromEntries(values.map((text, index) => [`V_${index}`, text]));
        const script = Object.keys(env)
          .map((name) => `printf '%s|' "$${name}"`)
          .join(";");
        const hash = await world.run(
          { argv: ["/bin/dash", "-c", `(${script}) | sha256sum`], env, standing: NOBODY },
          { shell },
        );
        const direct = await world.run({
          argv: ["sha256sum"],
          stdin: values.map((text) => `${text}|`).join(""),
        });
        expect(hash.stdout?.text).toBe(direct.stdout?.text);
      }),
      { numRuns: 15 },
    );
  });

  test.each(SHELLS)("may be a variable that a shell keeps for itself, with %s", async (shell) => {
    const env = {
      OPTIND: "abc",
      UID: "x",
      PPID: "y",
      LINENO: "z",
      IFS: "a",
      PS4: "$(reboot)",
      HOME: "",
    };
    const end = await world.run(
      { argv: ["printenv", "PS4", "IFS"], env, standing: NOBODY },
      { shell },
    );
    expect(end).toMatchObject({
      exitCode: 0,
      stdout: { text: "$(reboot)\na\n" },
      stderr: { bytes: 0 },
    });
  });

  test("is too long where a variable is longer than the kernel takes", async () => {
    const env = { LONG: "x".repeat(131_072) };
    const end = await world.run({ argv: ["true"], env, standing: NOBODY });
    expect(end).toMatchObject({ started: "False", reason: "ArgumentsTooLong" });
    const fits = { FITS: "x".repeat(131_060) };
    expect(await world.run({ argv: ["true"], env: fits, standing: NOBODY })).toMatchObject({
      exitCode: 0,
    });
  });
});

describe("a command as the agent's own user", () => {
  test("gains nothing by being executed either", async () => {
    const end = await world.shell("grep NoNewPrivs /proc/self/status; umask");
    expect(end.stdout?.text).toBe("NoNewPrivs:\t1\n0077\n");
    expect(findSetpriv()).toBeDefined();
  });

  test("runs where there is no setpriv", async () => {
    const { account } = OWN_STANDING;
    const privileges = new Privileges({
      own: account,
      setpriv: undefined,
      logger: new RecordingLogger(),
    });
    const standing = privileges.standingOf(account);
    if (typeof standing === "string") throw new Error(standing);
    const end = await world.run({ argv: ["grep", "NoNewPrivs", "/proc/self/status"], standing });
    expect(end.stdout?.text).toBe("NoNewPrivs:\t0\n");
  });
});

test("an agent closes the files that it was started with, and keeps those that Node has opened", () => {
  const module = new URL("../../../src/agent/inherited-files.ts", import.meta.url).href;
  const script = `
    import { closeInheritedFiles, inheritableFiles } from ${JSON.stringify(module)};
    const before = inheritableFiles();
    closeInheritedFiles();
    setTimeout(() => console.log(JSON.stringify([before.includes(250), inheritableFiles()])), 1);
  `;
  // Node takes care of the ones that follow its standard files by itself.
  const { stdout } = spawnSync(
    "/bin/bash",
    [
      "-c",
      'exec 250</dev/null; exec "$@"',
      "bash",
      process.execPath,
      "--input-type=module",
      "-e",
      script,
    ],
    { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" },
  );
  expect(JSON.parse(stdout)).toEqual([true, []]);
});

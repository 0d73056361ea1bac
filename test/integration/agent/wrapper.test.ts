import { createHash, randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runProcess } from "../../../src/agent/process-runner.ts";
import { AttemptWorld, owner, SHELLS } from "./attempt-world.ts";

let world: AttemptWorld;
beforeEach(() => {
  world = new AttemptWorld();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A command that ends itself by a signal, whatever the shell makes of it. */
function diesOf(signal: number): [string, ...string[]] {
  return ["/bin/sh", "-c", `kill -${signal} $$; sleep 60`];
}

test("there is a shell to try", () => {
  expect(SHELLS.length).toBeGreaterThan(0);
});

describe.each(SHELLS)("under %s", (shell) => {
  test.each([0, 1, 3, 126, 127, 128, 137, 143, 255])(
    "the status %d is what the command returned",
    async (status) => {
      const end = await world.shell(`exit ${status}`, { shell });
      expect(end).toMatchObject({ started: "True", exitCode: status });
      expect(end.signal).toBeUndefined();
    },
  );

  test.each([
    [1, "SIGHUP"],
    [3, "SIGQUIT"],
    [6, "SIGABRT"],
    [9, "SIGKILL"],
    [11, "SIGSEGV"],
    [15, "SIGTERM"],
    [29, "SIGIO"],
    [34, "SIGRTMIN"],
    [35, "SIGRTMIN+1"],
    [64, "SIGRTMIN+30"],
  ])("the end by signal %d is %s", async (number, signal) => {
    const end = await world.run({ argv: diesOf(number) }, { shell });
    expect(end).toMatchObject({ outcome: "Failed", signal, reason: "Signalled" });
    expect(end.exitCode).toBeUndefined();
    expect(end.stderr).toMatchObject({ bytes: 0 });
  });

  test.each([
    [2, 130],
    [13, 141],
  ])("the end by signal %d, of which no shell speaks, is the status %d", async (number, status) => {
    const end = await world.run({ argv: diesOf(number) }, { shell });
    expect(end).toMatchObject({ outcome: "Failed", exitCode: status });
  });

  test("a status above 128 is no signal because the shell complained before the command began", async () => {
    const env = { LC_ALL: "xx_YY.UTF-8", SHELLOPTS: "xtrace:verbose" };
    const end = await world.run({ argv: ["/bin/sh", "-c", "exit 137"], env }, { shell });
    expect(end).toMatchObject({ exitCode: 137 });
  });

  test("a command that fails has been started, whatever options its environment gives a shell", async () => {
    const env = { SHELLOPTS: "errexit:monitor:noclobber" };
    const end = await world.run({ argv: ["/bin/sh", "-c", "exit 3"], env }, { shell });
    expect(end).toMatchObject({ started: "True", exitCode: 3 });
  });

  test.each([1, 2, 3, 10, 13, 15, 30, 34, 64])(
    "a command that sends signal %d to its whole group does not lose its keeper",
    async (signal) => {
      const script = `trap '' ${signal}; kill -${signal} 0; exit 5`;
      expect(await world.shell(script, { shell })).toMatchObject({ exitCode: 5 });
    },
  );

  test("a command that ends its whole group by `kill 0` was ended by SIGTERM", async () => {
    const end = await world.shell("kill 0; sleep 60", { shell });
    expect(end).toMatchObject({ outcome: "Failed", signal: "SIGTERM" });
  });

  test("a command that kills its whole group was ended by SIGKILL", async () => {
    const end = await world.shell("echo here; kill -9 0; sleep 60", { shell });
    expect(end).toMatchObject({ outcome: "Failed", started: "True", signal: "SIGKILL" });
    expect(end.stdout?.text).toBe("here\n");
  });

  test("a command inherits no signal that is ignored", async () => {
    const end = await world.run({ argv: ["grep", "^Sig[BI]", "/proc/self/status"] }, { shell });
    expect(end.stdout?.text).toMatch(/^SigBlk:\t0+\nSigIgn:\t0+\n$/);
  });

  test("a SIGPIPE ends the writer", async () => {
    const end = await world.shell("yes | head -n 1; echo end", { shell });
    expect(end).toMatchObject({ exitCode: 0, stdout: { text: "y\nend\n" } });
  });

  test("arguments arrive as they are", async () => {
    const args = [
      "a b",
      "",
      "'\"`$HOME\\",
      "two\nlines",
      "-n",
      "--",
      "*",
      "ü\u{1f600}",
      "x=y",
      "\t",
    ];
    const end = await world.run({ argv: ["printf", "%s|", ...args] }, { shell });
    expect(end.stdout?.text).toBe(
      ["a b", "", "'\"`$HOME\\", "two\nlines", "-n", "--", "*", "ü\u{1f600}", "x=y", "\ufffd", ""]
        .join("|")
        .replace("\ufffd", "\t"),
    );
  });

  test("a program with the name of what the shell has built in is the program", async () => {
    expect(await world.run({ argv: ["echo", "-n", "--", "x"] }, { shell })).toMatchObject({
      exitCode: 0,
      stdout: { text: "-- x" },
    });
    mkdirSync(world.path("bin"));
    for (const name of ["exit", ":", "-c", "if", "exec"]) {
      const path = world.path(`bin/${name}`);
      writeFileSync(path, `#!/bin/sh\necho "mine: $*"; exit 9\n`);
      chmodSync(path, 0o755);
      const env = { PATH: `${world.path("bin")}:/usr/bin:/bin` };
      const end = await world.run({ argv: [name, "3"], env }, { shell });
      expect(end).toMatchObject({ exitCode: 9, stdout: { text: "mine: 3\n" } });
    }
  });

  test("a program is found by a name with a slash from its working folder", async () => {
    mkdirSync(world.path("-d"));
    writeFileSync(world.path("-d/prog"), `#!/bin/sh\npwd; exit 4\n`, { mode: 0o755 });
    for (const name of ["./-d/prog", "-d/prog"]) {
      const end = await world.run({ argv: [name], workingDir: world.dir }, { shell });
      expect(end).toMatchObject({ exitCode: 4, stdout: { text: `${world.dir}\n` } });
    }
  });

  test("the environment is the command's, and PWD", async () => {
    const env = { folder: "mine", status: "mine", EMPTY: "", QUOTED: "'\"\n$X", IFS: "x" };
    const spec = world.spec({ argv: ["env", "-0"], env });
    const end = await runProcess(spec, owner(), world.options({ shell }));
    const lines = (end.stdout?.text ?? "").split(/[\0\ufffd]/u).slice(0, -1);
    const found = new Map(lines.map((line) => [line.split("=", 1)[0], line]));
    for (const [name, value] of Object.entries(spec.env)) {
      if (name !== "IFS" && name !== "QUOTED") expect(found.get(name)).toBe(`${name}=${value}`);
    }
    expect(found.get("QUOTED")).toContain("$X");
    const bashes = ["_", "SHLVL"];
    const further = [...found.keys()].filter((name) => !(String(name) in spec.env));
    expect(further.filter((name) => !bashes.includes(String(name)))).toEqual(["PWD"]);
  });

  test("60 KB of input arrive whole, and end", async () => {
    const stdin = "0123456789abcde\n".repeat(3_840);
    const end = await world.run({ argv: ["sha256sum"], stdin }, { shell });
    const hash = createHash("sha256").update(stdin).digest("hex");
    expect(end.stdout?.text).toBe(`${hash}  -\n`);
  });

  test("no input is an input that ends at once", async () => {
    const end = await world.shell("cat; cat <&- 2>/dev/null; exec <&-; echo end", { shell });
    expect(end).toMatchObject({ exitCode: 0, stdout: { text: "end\n" } });
  });

  test("the command has its three files of the attempt and no other", async () => {
    const script = "for fd in /proc/$$/fd/*; do echo ${fd##*/} $(readlink $fd); done";
    const runID = randomUUID();
    const task = { runID, argv: ["/bin/sh", "-c", script] as [string, ...string[]], stdin: "x" };
    const end = await world.run(task, { shell });
    const files = (end.stdout?.text ?? "").split("\n").filter((line) => line.includes(runID));
    expect(files.map((line) => line.replace(/ .*\//, " "))).toEqual([
      `0 steward-${runID}.1-stdin (deleted)`,
      "1 stdout",
      "2 stderr",
    ]);
  });

  test("the devices of the standard files can be opened", async () => {
    const script = "cat /dev/stdin; echo out > /dev/stdout; echo err > /dev/stderr";
    const end = await world.run(
      { argv: ["/bin/sh", "-c", `${script}; echo more >&2`], stdin: "" },
      { shell },
    );
    expect(end).toMatchObject({
      exitCode: 0,
      stdout: { text: "out\n" },
      stderr: { text: "err\nmore\n" },
    });
    const read = await world.run({ argv: ["cat", "/dev/stdin"], stdin: "input" }, { shell });
    expect(read.stdout?.text).toBe("input");
  });

  test("output is kept byte for byte, with and without a line's end", async () => {
    const end = await world.shell(String.raw`printf 'a\000\377b'; printf 'no end' >&2`, { shell });
    const sha256 = createHash("sha256")
      .update(Buffer.from([97, 0, 255, 98]))
      .digest("hex");
    expect(end.stdout).toMatchObject({ bytes: 4, sha256 });
    expect(end.stderr).toMatchObject({ text: "no end", bytes: 6 });
  });

  test("a script without an interpreter's line is one of the shell's", async () => {
    writeFileSync(world.path("plain"), 'echo "plain $1"\n', { mode: 0o755 });
    const end = await world.run({ argv: [world.path("plain"), "text"] }, { shell });
    expect(end).toMatchObject({ exitCode: 0, stdout: { text: "plain text\n" } });
  });
});

describe("a program that is none", () => {
  test.each([
    ["no-such-program", "ProgramNotFound"],
    ["/no/such/program", "ProgramNotFound"],
    ["/etc/passwd/program", "ProgramNotFound"],
    ["./program", "ProgramNotFound"],
    ["/etc/passwd", "PermissionDenied"],
    ["/etc", "PermissionDenied"],
    ["../", "PermissionDenied"],
  ])("(%s) starts nothing: %s", async (program, reason) => {
    expect(await world.run({ argv: [program] })).toMatchObject({ started: "False", reason });
  });

  test("is passed over while there is another further on", async () => {
    mkdirSync(world.path("first/tool"), { recursive: true });
    mkdirSync(world.path("second"));
    writeFileSync(world.path("second/tool"), "no", { mode: 0o644 });
    mkdirSync(world.path("third"));
    symlinkSync("/bin/true", world.path("third/tool"));
    const parts = ["first", "second", "missing"].map((name) => world.path(name));
    const without = await world.run({ argv: ["tool"], env: { PATH: parts.join(":") } });
    expect(without).toMatchObject({ started: "False", reason: "PermissionDenied" });
    const path = [...parts, world.path("third")].join(":");
    expect(await world.run({ argv: ["tool"], env: { PATH: path } })).toMatchObject({ exitCode: 0 });
  });

  test("is looked for in the working folder where the PATH says so", async () => {
    mkdirSync(world.path("bin"));
    symlinkSync("/bin/true", world.path("bin/tool"));
    const run = (PATH: string, workingDir: string): Promise<unknown> =>
      world.run({ argv: ["tool"], env: { PATH }, workingDir });
    expect(await run("bin", world.dir)).toMatchObject({ exitCode: 0 });
    expect(await run("", world.path("bin"))).toMatchObject({ exitCode: 0 });
    expect(await run("", world.dir)).toMatchObject({ reason: "ProgramNotFound" });
  });

  test("for want of its interpreter, is found out by the shell", async () => {
    writeFileSync(world.path("script"), "#!/no/such/interpreter\n", { mode: 0o755 });
    const end = await world.run({ argv: [world.path("script")] });
    expect(end).toMatchObject({ outcome: "Failed", started: "True", exitCode: 127 });
  });

  test("leaves no files behind", async () => {
    await world.run({ argv: ["no-such-program"], stdin: "secret" });
    await world.run({ argv: ["true", "x".repeat(200_000)], stdin: "secret" });
    expect(readdirSync(world.path("data/runs"))).toEqual([]);
  });
});

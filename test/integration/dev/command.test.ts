import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, test, vi } from "vitest";

import { run } from "../../../dev/controlplane/run.ts";
import {
  filesUnder,
  makeScratch,
  processesWith,
  startCommand,
  writeProgram,
  type Command,
} from "./world.ts";

const patience = { timeout: 50_000, interval: 50 };

/** Waits until the command has got so far that a file of this name exists below its temporary directory. */
async function untilFile(tmp: string, name: string): Promise<void> {
  await vi.waitFor(async () => expect(await filesUnder(tmp)).toContain(name), patience);
}

async function untilNothingIsLeft(tmp: string): Promise<void> {
  await vi.waitFor(async () => expect(await processesWith(tmp)).toEqual([]), patience);
  expect(await readdir(tmp)).toEqual([]);
}

/** What the command prints on standard output until it is ready. */
async function untilReady(command: Command): Promise<string> {
  const printed: string[] = [];
  command.child.stdout?.on("data", (chunk: Buffer) => printed.push(chunk.toString()));
  await vi.waitFor(() => expect(printed.join("")).toContain("export PATH="), patience);
  return printed.join("");
}

describe("the command", () => {
  test("prints lines for a shell in which kubectl then works, until SIGTERM", async () => {
    await using scratch = await makeScratch();
    await using command = startCommand(["--no-fsync"], scratch.path);
    const lines = (await untilReady(command))
      .split("\n")
      .filter((line) => line.startsWith("export"));
    const script = [...lines, "kubectl config current-context", "kubectl get --raw /readyz"];
    const shell = await run("sh", ["-ec", script.join("\n")], { env: process.env });
    expect(shell).toMatchObject({ stdout: "steward-dev\nok", code: 0 });
    command.child.kill("SIGTERM");
    expect(await command.exited).toMatchObject({ code: 143 });
    await untilNothingIsLeft(scratch.path);
  });

  test.each(["nats-server.conf", "etcd.log", "kube-apiserver.log", "kube-controller-manager.log"])(
    "leaves nothing when SIGINT comes at the time of %s",
    async (file) => {
      await using scratch = await makeScratch();
      await using command = startCommand(["--no-fsync"], scratch.path);
      await untilFile(scratch.path, file);
      command.child.kill("SIGINT");
      expect(await command.exited).toMatchObject({ code: 130 });
      expect(await processesWith(scratch.path)).toEqual([]);
      expect(await readdir(scratch.path)).toEqual([]);
    },
  );

  test("leaves nothing when it is killed in the middle of a start", async () => {
    await using scratch = await makeScratch();
    await using command = startCommand(["--no-fsync"], scratch.path);
    await untilFile(scratch.path, "kube-apiserver.log");
    command.child.kill("SIGKILL");
    expect(await command.exited).toMatchObject({ signal: "SIGKILL" });
    await untilNothingIsLeft(scratch.path);
  });

  test("leaves nothing when it is killed while the control plane runs", async () => {
    await using scratch = await makeScratch();
    await using command = startCommand(["--no-fsync"], scratch.path);
    await untilReady(command);
    command.child.kill("SIGKILL");
    await untilNothingIsLeft(scratch.path);
  });

  test("ends with an error when a component ends", async () => {
    await using scratch = await makeScratch();
    await using command = startCommand(["--no-fsync"], scratch.path);
    await untilReady(command);
    const etcd = (await processesWith(scratch.path)).find((line) => line.includes("/etcd --name"));
    process.kill(Number.parseInt(etcd ?? "", 10), "SIGKILL");
    expect(await command.exited).toMatchObject({ code: 1 });
    expect(await command.stderr).toContain("etcd ended with SIGKILL");
    await untilNothingIsLeft(scratch.path);
  });

  test.each(["SIGINT", "SIGKILL"] as const)(
    "leaves no process and no file of a build that %s interrupts",
    async (signal) => {
      await using scratch = await makeScratch();
      await using cache = await makeScratch();
      await using bin = await makeScratch();
      // A Go command that has begun to write and, with a process of its own, never ends.
      const go = 'while [ "$1" != -o ]; do shift; done; echo half > "$2"; /bin/sleep 1000 & wait';
      await writeProgram(join(bin.path, "go"), go);
      const env = { PATH: bin.path, XDG_CACHE_HOME: cache.path, KUBEBUILDER_ASSETS: "" };
      await using command = startCommand(["--build-only"], scratch.path, env);
      await vi.waitFor(async () => expect(await filesUnder(cache.path)).toHaveLength(1), patience);
      command.child.kill(signal);
      await command.exited;
      await untilNothingIsLeft(scratch.path);
      expect(await filesUnder(cache.path)).toEqual([]);
    },
  );
});

test("--help says what the command does", async () => {
  await using scratch = await makeScratch();
  await using command = startCommand(["--help"], scratch.path);
  expect(await command.exited).toMatchObject({ code: 0 });
  expect(await command.stdout).toContain("Usage: npm run controlplane");
});

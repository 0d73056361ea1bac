import { createHash } from "node:crypto";
import { closeSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptFolder } from "../../../src/agent/attempt-folder.ts";
import { newSealingKey } from "../../../src/identity/sealing.ts";
import type { Ack } from "../../../src/protocol/ack.ts";
import type { SealedInputs } from "../../../src/protocol/sealed-inputs.ts";
import { withSealed } from "../../support/sealed-command.ts";
import { command, type Offer } from "../../unit/agent/controller-side.ts";
import { eventually, runOf, World } from "./world.ts";

const TOKEN = "correct-horse-battery";
const INPUT = "staple of the input";
/** The kernel's number of file systems in memory. */
const TMPFS = 0x01021994;
const INPUTS: SealedInputs = {
  env: [
    { name: "TOKEN", value: TOKEN },
    { name: "LEVEL", value: "public", isPublic: true },
  ],
  stdin: { value: `${INPUT}\n` },
};

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Offers a shell command with secrets. */
function offer(
  script: string,
  more: Offer = {},
  inputs: Partial<SealedInputs> = INPUTS,
): Promise<Ack> {
  const { session } = world.controller;
  const plain = command({ name: world.name(), ...more, work: { ...more.work, args: [script] } });
  return world.controller.offer({ ...withSealed(plain, inputs), sessionID: session });
}

/** A script that notes its process id, waits for the file `go`, and then prints its input. */
function waitingForGo(): string {
  const go = world.path("go");
  return `echo $$ > ${world.path("pid")}; until [ -e ${go} ]; do sleep 0.02; done; cat`;
}

/** All files below a folder, as one text. */
function allFiles(folder: string): string {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1")).join();
}

/** The command lines of all processes of this machine. */
function commandLines(): string {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => textOf(`/proc/${pid}/cmdline`)).join("\n");
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

test("what a command is given is in no file that has a name, from the first moment on", () => {
  const folder = new AttemptFolder(world.path("attempt"));
  const files = folder.create({ stdin: INPUT, launch: TOKEN });
  expect(readdirSync(folder.path).toSorted()).toEqual(["exit", "stderr", "stdout", "wrapper"]);
  // On a disk it would stay after the file is gone.
  expect(statfsSync(`/proc/self/fd/${files.launch}`).type).toBe(TMPFS);
  expect(statfsSync(`/proc/self/fd/${files.stdin}`).type).toBe(TMPFS);
  expect(readdirSync("/dev/shm").filter((name) => name.includes("attempt-launch"))).toEqual([]);
  expect(readFileSync(files.launch, "utf8")).toBe(TOKEN);
  expect(readFileSync(Number(files.stdin), "utf8")).toBe(INPUT);
  folder.release(files);
  closeSync(files.exit);
  closeSync(files.wrapper);
});

describe("a command with secrets", () => {
  test("has them in its environment and on its standard input, and nobody sees them in its output", async () => {
    await world.startReadyAgent();
    const hash = `printf '%s/%s' "$TOKEN" "$(cat)" | sha256sum | cut -c1-64 >> ${world.path("got")}`;
    const print = 'echo "$LEVEL: $TOKEN"; printf %s "$TOKEN" | base64 >&2';
    const { runID } = runOf(await offer(`${hash}; ${print}`));
    const { result } = await world.result(runID);
    const redacted = "public: [redacted]\n";
    expect(result).toMatchObject({
      outcome: "Succeeded",
      stdout: {
        text: redacted,
        bytes: redacted.length,
        sha256: createHash("sha256").update(redacted).digest("hex"),
      },
      stderr: { text: "[redacted]\n" },
    });
    const wanted = createHash("sha256").update(`${TOKEN}/${INPUT}`).digest("hex");
    expect(world.lines("got")).toEqual([wanted]);
  });

  test("leaves them in no file and no command line, while it runs and after", async () => {
    const agent = await world.startReadyAgent();
    const { runID } = runOf(await offer(waitingForGo()));
    await eventually(() => expect(world.lines("pid")).toHaveLength(1));
    const places = (): string =>
      allFiles(world.dataDir) + commandLines() + JSON.stringify(world.log);
    // The way to look is one by which it would be found.
    expect(textOf(`/proc/${world.lines("pid")[0]}/environ`)).toContain(TOKEN);
    expect(commandLines()).toContain(world.path("pid"));
    expect(places()).not.toMatch(/correct-horse|staple of/);
    world.touch("go");
    const { result } = await world.result(runID);
    expect(result).toMatchObject({ outcome: "Succeeded", stdout: { text: "[redacted]\n" } });
    await agent.stop();
    expect(places()).not.toMatch(/correct-horse|staple of/);
    expect(JSON.stringify(world.controller)).not.toMatch(/correct-horse|staple of/);
  });

  test("has them in each attempt", async () => {
    await world.startReadyAgent();
    const terms = { retry: { limit: 1, backoffMs: 1, maxBackoffMs: 1 } };
    const { runID } = runOf(
      await offer(`cat; echo "$TOKEN"; echo ran >> ${world.path("ran")}; exit 7`, { terms }),
    );
    expect(await world.result(runID)).toMatchObject({
      attempts: 2,
      result: { outcome: "Failed", exitCode: 7, stdout: { text: "[redacted]\n[redacted]\n" } },
    });
    expect(world.lines("ran")).toHaveLength(2);
  });

  test("is never started if they do not open with the node's key", async () => {
    await world.startReadyAgent({ security: { sealingKey: newSealingKey() } });
    const { runID } = runOf(await offer(`echo ran >> ${world.path("ran")}`));
    expect(await world.result(runID)).toMatchObject({
      attempts: 0,
      result: { outcome: "Rejected", started: "False", reason: "SealedInputsUnreadable" },
    });
    expect(world.lines("ran")).toEqual([]);
  });
});

/** A command that prints a secret, and whose agent has stopped; its run. */
async function outliving(): Promise<string> {
  const agent = await world.startReadyAgent();
  const { runID } = runOf(await offer(`echo "before: $TOKEN"; ${waitingForGo()}`));
  await eventually(() => expect(world.lines("pid")).toHaveLength(1));
  await agent.stop();
  return runID;
}

describe("the output of a command that outlives its agent", () => {
  test("is redacted by the next one", async () => {
    const runID = await outliving();
    await world.startReadyAgent();
    world.touch("go");
    const { result } = await world.result(runID);
    expect(result.stdout?.text).toBe("before: [redacted]\n[redacted]\n");
  });

  test("is not told at all by one that does not know what to redact", async () => {
    const runID = await outliving();
    await world.startReadyAgent({ security: { sealingKey: newSealingKey() } });
    world.touch("go");
    const { result } = await world.result(runID);
    expect(result).toMatchObject({ outcome: "Succeeded", exitCode: 0 });
    expect(result).not.toHaveProperty("stdout");
    expect(result).not.toHaveProperty("stderr");
  });
});

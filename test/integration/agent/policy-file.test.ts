import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ownAccount } from "../../../src/agent/account.ts";
import { DEFAULT_POLICY } from "../../../src/agent/policy.ts";
import { DEFAULT_POLICY_TEXT } from "../../../src/cli/default-policy.ts";
import { openPolicyFile } from "../../../src/cli/policy-file.ts";
import { RecordingLogger, type LogLine } from "../../support/recording-logger.ts";
import { eventually, World } from "./world.ts";
import { OWN_POLICY_TEXT } from "../../support/standings.ts";

const { uid } = ownAccount();
const STRANGER = 65_534;
const PING = "version: 1\ndefaultUser: nobody\nrules: [{name: ping, methods: [ping]}]\n";

let dir: string;
let path: string;
let lines: LogLine[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "steward-policy-"));
  [path, lines] = [join(dir, "etc", "policy.yaml"), []];
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function open(): ReturnType<typeof openPolicyFile> {
  return openPolicyFile({ path, uid, logger: new RecordingLogger(lines) });
}

function write(text: string, mode = 0o644): void {
  mkdirSync(join(dir, "etc"), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

function rulesOf(source: ReturnType<typeof openPolicyFile>): unknown {
  const state = source.current();
  return "policy" in state ? state.policy.rules.map(({ name }) => name) : state.problem;
}

describe("a policy file", () => {
  test("that is missing is written with the default, which is in force", () => {
    const source = open();
    expect(source.current()).toEqual({ policy: DEFAULT_POLICY });
    expect(readFileSync(path, "utf8")).toBe(DEFAULT_POLICY_TEXT);
    expect(statSync(path).mode & 0o022).toBe(0);
    expect(lines).toContainEqual(expect.objectContaining({ level: "info" }));
  });

  test("that cannot be written leaves the default in force, until there is one", () => {
    const source = openPolicyFile({
      path: "/proc/no-such-folder/policy.yaml",
      uid,
      logger: new RecordingLogger(lines),
    });
    expect(source.current()).toEqual({ policy: DEFAULT_POLICY });
    expect(lines).toContainEqual(expect.objectContaining({ level: "warn" }));
  });

  test("is not written through a link that somebody has put there", () => {
    const victim = join(dir, "victim");
    writeFileSync(victim, "precious");
    mkdirSync(join(dir, "etc"));
    symlinkSync(victim, `${path}.new-${process.pid}`);
    expect(open().current()).toEqual({ policy: DEFAULT_POLICY });
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(readFileSync(path, "utf8")).toBe(DEFAULT_POLICY_TEXT);
  });

  test("is not written over", () => {
    write(PING);
    expect(rulesOf(open())).toEqual(["ping"]);
    expect(readFileSync(path, "utf8")).toBe(PING);
  });

  test("is in force as it is at the moment, be it written or replaced, of the same length and time", () => {
    write(PING);
    const source = open();
    expect(rulesOf(source)).toEqual(["ping"]);
    const { atime, mtime } = statSync(path);
    write(PING.replace("name: ping", "name: pong"));
    utimesSync(path, atime, mtime);
    expect(rulesOf(source)).toEqual(["pong"]);
    writeFileSync(`${path}.next`, PING);
    renameSync(`${path}.next`, path);
    expect(rulesOf(source)).toEqual(["ping"]);
  });

  test("may be a link to one", () => {
    write(PING);
    renameSync(path, join(dir, "real.yaml"));
    symlinkSync(join(dir, "real.yaml"), path);
    expect(rulesOf(open())).toEqual(["ping"]);
  });

  test.each<[string, () => void, RegExp]>([
    ["that is no policy", () => write("version: 1"), /policy\.yaml: defaultUser: /],
    ["that its group may write to", () => write(PING, 0o664), /its group or by others: chmod go-w/],
    ["that others may write to", () => write(PING, 0o646), /its group or by others: chmod go-w/],
    ["that is a folder", () => mkdirSync(path, { recursive: true }), /is no file/],
    ["that is huge", () => write(`# ${"x".repeat(262_144)}\n${PING}`), /more than 262144 bytes/],
    [
      "of somebody else",
      () => {
        write(PING);
        chownSync(path, STRANGER, STRANGER);
      },
      /must belong to root or to the agent's user/,
    ],
  ])("%s is no policy, which is said once, and then until it is mended", (_, spoil, message) => {
    spoil();
    const source = open();
    for (let count = 0; count < 3; count += 1) expect(rulesOf(source)).toMatch(message);
    expect(lines.filter(({ level }) => level === "error")).toHaveLength(1);
    rmSync(path, { recursive: true });
    write(PING);
    expect(rulesOf(source)).toEqual(["ping"]);
  });

  test("that is gone is a problem, and not the default", () => {
    write(PING);
    const source = open();
    rmSync(path);
    expect(rulesOf(source)).toMatch(/policy\.yaml is gone: put it back, or restart the agent/);
    expect(existsSync(path)).toBe(false);
    write(PING);
    expect(rulesOf(source)).toEqual(["ping"]);
  });
});

describe("an agent with a policy file", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("heeds a change from the next command on", async () => {
    write(PING);
    await world.startReadyAgent({ policy: open() });
    const denied = await world.shell("echo no");
    expect(denied.result).toMatchObject({
      outcome: "Rejected",
      started: "False",
      reason: "PolicyDenied",
      message: "The node's policy does not allow it: no rule allows it.",
    });
    write(OWN_POLICY_TEXT);
    expect((await world.shell("echo yes")).result).toMatchObject({ outcome: "Succeeded" });
  });

  test("runs by default as nobody, who is denied to be root", async () => {
    await world.startReadyAgent({ policy: open() });
    expect((await world.shell("id -un")).result.stdout?.text).toBe("nobody\n");
    const result = await world.shell("id -un", { work: { runAs: "root" } });
    expect(result.result).toMatchObject({
      outcome: "Rejected",
      message: "The node's policy does not allow it: denied by rule no-root.",
    });
    const unknown = await world.shell("id", { work: { runAs: "no-such-user" } });
    expect(unknown.result).toMatchObject({ outcome: "Rejected", reason: "CannotRunAs" });
  });

  test("does not start what waited when it was still allowed", async () => {
    write(OWN_POLICY_TEXT);
    await world.startReadyAgent({ policy: open(), maxRunningCommands: 1 });
    const wait = `while ! [ -e ${world.path("go")} ]; do sleep 0.01; done`;
    const first = world.shell(wait);
    await eventually(() => expect([...world.statesOnDisk().values()]).toContain("Running"));
    const second = world.shell(`echo ran >> ${world.path("second")}`);
    await eventually(() => expect(world.statesOnDisk().size).toBe(2));
    write(PING);
    world.touch("go");
    expect((await first).result).toMatchObject({ outcome: "Succeeded" });
    expect((await second).result).toMatchObject({ outcome: "Rejected", reason: "PolicyDenied" });
    expect(world.lines("second")).toEqual([]);
  });

  test("refuses commands while it is broken, tells the cluster, and goes on when it is mended", async () => {
    write("rules: [");
    await world.startReadyAgent({ policy: open() });
    const name = world.name();
    const answer = await world.controller.offer({ name });
    expect(answer).toMatchObject({ answer: "refused", reason: "PolicyUnavailable" });
    await eventually(() =>
      expect(world.controller.errors).toMatchObject([{ process: "policy", severity: "warning" }]),
    );
    write(OWN_POLICY_TEXT);
    expect(await world.controller.offer({ name })).toMatchObject({ answer: "accepted" });
  });
});

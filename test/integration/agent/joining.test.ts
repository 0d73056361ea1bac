import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IdentityDirectory } from "../../../src/agent/identity-directory.ts";
import { decodeJoinToken, encodeJoinToken } from "../../../src/identity/join-token.ts";
import { isUserKey } from "../../../src/identity/key-pair.ts";
import { NODE_KEY, TOKEN_KEY } from "../../support/test-keys.ts";
import { ControllerSide } from "../../unit/agent/controller-side.ts";
import { connected, type TestBus } from "../nats/world.ts";
import { SecureBroker } from "../nats/secure-world.ts";
import { AgentProcess, StewardProcess } from "./agent-process.ts";
import { EnrollmentDesk, NODE, tokenOf, writeIdentity } from "./secure-agents.ts";
import { eventually, runOf } from "./world.ts";

let dir: string;
let dataDir: string;
let broker: SecureBroker;
let bus: TestBus;
let controller: ControllerSide;
let running: AsyncDisposable[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "steward-join-"));
  dataDir = join(dir, "data");
  broker = await SecureBroker.start();
  bus = broker.controller();
  controller = new ControllerSide(bus);
  running = [];
  await connected(bus);
});
afterEach(async () => {
  for (const each of running) await each[Symbol.asyncDispose]();
  await bus.close();
  await broker[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

async function steward(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const program = new StewardProcess([...args, "--data-dir", dataDir]);
  running.push(program);
  const code = await program.exit();
  return { code, out: program.stdout, err: program.stderr };
}

function startAgent(...options: string[]): AgentProcess {
  const agent = new AgentProcess(dataDir, options);
  running.push(agent);
  return agent;
}

function identityFiles(): string[] {
  return readdirSync(join(dataDir, "identity")).toSorted();
}

/** The controller of the tests knows this key only. */
async function haveNodeKey(): Promise<void> {
  await new IdentityDirectory(dataDir).write("node.seed", NODE_KEY.seed);
}

const JOINED = ["node.jwt", "node.seed", "sealing.key", "trust.json"];

describe("steward agent join", () => {
  beforeEach(haveNodeKey);

  test("enrolls the machine, which then runs commands as that node", async () => {
    const desk = new EnrollmentDesk(bus, broker);
    const joined = await steward("agent", "join", tokenOf(broker));
    expect(joined).toMatchObject({ code: 0, out: "" });
    expect(joined.err).toContain(NODE_KEY.publicKey);
    expect(joined.err).toContain(`steward agent --data-dir ${dataDir}`);
    expect(joined.err).not.toContain(TOKEN_KEY.seed);
    expect(desk.requests).toMatchObject([{ node: NODE, token: TOKEN_KEY.publicKey }]);
    expect(identityFiles()).toEqual(JOINED);
    startAgent();
    await eventually(() => expect(controller.hellos).not.toEqual([]));
    expect(controller.hellos[0]).toMatchObject({ namespace: "default", trustSerial: 1 });
    const { runID } = runOf(await controller.offer({ work: { args: ["echo done"] } }));
    await eventually(() =>
      expect(controller.results).toMatchObject([{ runID, result: { stdout: { text: "done\n" } } }]),
    );
  });

  test("keeps everything when nobody enrolls it in time; the agent does it later by itself", async () => {
    const joined = await steward("agent", "join", tokenOf(broker), "--timeout", "1s");
    expect(joined.code).toBe(1);
    expect(joined.err).toContain("no controller is at the broker");
    expect(identityFiles()).toEqual(["node.seed", "sealing.key", "token.seed", "trust.json"]);
    const desk = new EnrollmentDesk(bus, broker);
    startAgent();
    await eventually(() => expect(controller.hellos).not.toEqual([]));
    expect(desk.requests[0]).toMatchObject({ token: TOKEN_KEY.publicKey });
    expect(identityFiles()).toEqual(expect.arrayContaining(JOINED));
    expect(identityFiles()).not.toContain("token.seed");
  });

  test("does it again for the same node, with the same key, and not for another", async () => {
    const desk = new EnrollmentDesk(bus, broker);
    for (const time of [1, 2]) {
      expect(await steward("agent", "join", tokenOf(broker))).toMatchObject({ code: 0 });
      expect(desk.requests).toHaveLength(time);
    }
    const before = readFileSync(join(dataDir, "identity", "trust.json"), "utf8");
    const clusterID = "c2c2c2c2-0000-4000-8000-000000000002";
    for (const other of [{ node: "ship2" }, { namespace: "other" }, { clusterID }]) {
      const refused = await steward("agent", "join", tokenOf(broker, other));
      expect(refused.code).toBe(1);
      expect(refused.err).toContain(`remove ${dataDir}`);
    }
    expect(readFileSync(join(dataDir, "identity", "trust.json"), "utf8")).toBe(before);
    expect((await steward("agent", "keygen")).out).toBe(`${NODE_KEY.publicKey}\n`);
  });

  test("gives up at once when its token is of no use", async () => {
    const desk = new EnrollmentDesk(bus, broker);
    desk.refusal = "KeyNotApproved";
    const { code, err } = await steward("agent", "join", tokenOf(broker));
    expect(code).toBe(1);
    expect(err).toContain("Not enrolled: KeyNotApproved!");
    expect(err).toContain("Join again with a new token");
    expect(desk.requests).toHaveLength(1);
  });

  test("without a token's secret, waits until the node's key is declared", async () => {
    const desk = new EnrollmentDesk(bus, broker);
    desk.refusal = "NotEnrolled";
    const { seed: _seed, ...rest } = decodeJoinToken(tokenOf(broker));
    const joining = steward("agent", "join", encodeJoinToken(rest));
    await eventually(() => expect(desk.requests).toHaveLength(2));
    desk.refusal = undefined;
    expect(await joining).toMatchObject({ code: 0 });
  });

  test("without a secret in the token, the node's key alone speaks for it", async () => {
    const desk = new EnrollmentDesk(bus, broker);
    const { seed: _seed, ...rest } = decodeJoinToken(tokenOf(broker));
    expect(await steward("agent", "join", encodeJoinToken(rest))).toMatchObject({ code: 0 });
    expect(desk.requests[0]).not.toHaveProperty("token");
  });
});

test("a token that is cut off changes nothing", async () => {
  const refused = await steward("agent", "join", tokenOf(broker).slice(0, -20));
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toContain("damaged");
  expect(existsSync(join(dataDir, "identity"))).toBe(false);
});

test("steward agent keygen prints the public key alone, the same each time", async () => {
  const first = await steward("agent", "keygen");
  expect(first).toMatchObject({ code: 0, err: "" });
  expect(isUserKey(first.out.trim())).toBe(true);
  expect(await steward("agent", "keygen")).toEqual(first);
});

describe("credentials that are of no use any more are replaced, and the agent goes on:", () => {
  test("when they expire under a connection", async () => {
    const desk = new EnrollmentDesk(bus, broker);
    await writeIdentity(dataDir, broker, { lifeMs: 4_000 });
    startAgent();
    await eventually(() => expect(controller.hellos).not.toEqual([]));
    const { sessionID } = controller.hellos[0] ?? {};
    await eventually(() => expect(desk.requests).toHaveLength(1));
    expect(desk.requests[0]).not.toHaveProperty("token");
    const before = controller.hellos.length;
    await eventually(() => expect(controller.hellos.length).toBeGreaterThan(before));
    expect(controller.hellos.at(-1)).toMatchObject({ sessionID });
    expect(await controller.offer()).toMatchObject({ answer: "accepted" });
  });

  test("when they had expired before it started", async () => {
    const desk = new EnrollmentDesk(bus, broker);
    await writeIdentity(dataDir, broker, { lifeMs: -60_000 });
    startAgent();
    await eventually(() => expect(controller.hellos).not.toEqual([]));
    expect(desk.requests).toHaveLength(1);
  });
});

import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { startGuardian, type Guardian } from "../../dev/controlplane/guard.ts";
import { run, type CommandResult } from "../../dev/controlplane/run.ts";
import {
  agentProcess,
  controllerProcess,
  enroll,
  joinFleet,
  type FleetAccess,
  type StewardProcess,
} from "../../dev/fleet.ts";
import type { EdgeNode } from "../../src/api/v1alpha1/edgenode.ts";
import { startOwnControlPlane, type OwnControlPlane } from "../support/control-plane.ts";
import { pastTheSecondOf } from "../support/past-the-second.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const SOON = { timeout: 60_000, interval: 200 };
const GRACE = "4s";

let plane: OwnControlPlane;
let controller: StewardProcess;
const stack = new AsyncDisposableStack();

/** A machine that may become a node: a directory of its own. */
class Machine {
  readonly #guardian: Guardian;

  private constructor(guardian: Guardian) {
    this.#guardian = guardian;
  }

  static async make(): Promise<Machine> {
    return new Machine(stack.use(await startGuardian()));
  }

  get access(): FleetAccess {
    const { kubeconfigPath, natsUrl, keysDir } = plane;
    return { guardian: this.#guardian, kubeconfigPath, natsUrl, keysDir };
  }

  dataDir(node: string): string {
    return join(this.#guardian.dir, node);
  }

  /** With little patience: somebody may yet approve of its key. */
  tryToJoin(node: string, token: string): Promise<CommandResult> {
    const args = ["agent", "join", token, "--data-dir", this.dataDir(node), "--timeout", "5s"];
    return run(process.execPath, [main, ...args], { env: { PATH: process.env["PATH"] ?? "" } });
  }

  /** Joins, if it has not, and runs the agent. */
  async run(node: string): Promise<StewardProcess> {
    return (await agentProcess(node, this.access, ["--hello-interval", "1s"])).start();
  }
}

beforeAll(async () => {
  plane = stack.use(await startOwnControlPlane());
  const machine = await Machine.make();
  controller = await controllerProcess("controller", machine.access, [
    "--no-leader-elect",
    "--node-grace-period",
    GRACE,
  ]).start();
});
afterAll(async () => {
  await controller.stop();
  await stack.disposeAsync();
});

async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await plane.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function edgeNode(name: string): Promise<EdgeNode> {
  return JSON.parse(await kubectl("get", "en", name, "-o", "json")) as EdgeNode;
}

async function readyIs(name: string, status: string, reason: string): Promise<void> {
  await vi.waitFor(async () => {
    const { conditions } = (await edgeNode(name)).status;
    const ready = expect.objectContaining({ type: "Ready", status, reason });
    expect(conditions).toContainEqual(ready);
  }, SOON);
}

/** The real command; its output. */
async function steward(...args: string[]): Promise<string> {
  const env = { PATH: process.env["PATH"] ?? "" };
  const { code, stdout, stderr } = await run(process.execPath, [main, ...args], { env });
  if (code !== 0) throw new Error(`steward ${args[0]}: ${stderr}`);
  return stdout;
}

let runs = 0;
async function succeedsOn(nodeName: string): Promise<void> {
  runs += 1;
  const name = `run-${runs}`;
  const spec = { nodeName, method: "ping" };
  const stdin = JSON.stringify({
    apiVersion: "steward.dev/v1alpha1",
    kind: "EdgeCommand",
    metadata: { name },
    spec,
  });
  expect(await plane.kubectl(["apply", "-f", "-"], { stdin })).toMatchObject({ code: 0 });
  await kubectl("wait", "--for=condition=Succeeded", `ec/${name}`, "--timeout=60s");
}

async function logHas(process: StewardProcess, text: RegExp): Promise<void> {
  await vi.waitFor(async () => expect(await readFile(process.logPath, "utf8")).toMatch(text), SOON);
}

describe("a machine that joins with a token", () => {
  test("is the node, which nobody else can become with that token", async () => {
    const machine = await Machine.make();
    const token = await enroll("joins", machine.access);
    await joinFleet("joins", machine.access, token);
    const { spec, status } = await edgeNode("joins");
    expect(spec).toEqual({ disabled: false, publicKey: status.identity?.publicKey });
    expect(Date.parse(status.identity?.credentialsExpire ?? "")).toBeGreaterThan(Date.now());
    const thief = await Machine.make();
    const { code, stderr } = await thief.tryToJoin("joins", token);
    expect(stderr).toContain("The token was used before");
    expect(code).toBe(1);
    expect((await edgeNode("joins")).spec).toEqual(spec);
    const agent = await machine.run("joins");
    await readyIs("joins", "True", "Heartbeat");
    await succeedsOn("joins");
    expect((await edgeNode("joins")).status.identity).toMatchObject({ trustSerial: 1 });
    await agent.stop();
  });
});

describe("a node that is connected", () => {
  test("is thrown out while it is disabled, and comes back by itself after that", async () => {
    const machine = await Machine.make();
    const agent = await machine.run("disabled");
    await readyIs("disabled", "True", "Heartbeat");
    await kubectl("patch", "en", "disabled", "--type=merge", "-p", '{"spec":{"disabled":true}}');
    await readyIs("disabled", "False", "Disabled");
    await logHas(agent, /revoked|Authorization Violation/i);
    await kubectl("patch", "en", "disabled", "--type=merge", "-p", '{"spec":{"disabled":false}}');
    await readyIs("disabled", "True", "Heartbeat");
    await succeedsOn("disabled");
    await agent.stop();
  });

  test("is thrown out when its EdgeNode is deleted, which nothing makes again", async () => {
    const machine = await Machine.make();
    const agent = await machine.run("deleted");
    await readyIs("deleted", "True", "Heartbeat");
    const { publicKey } = (await edgeNode("deleted")).spec;
    await kubectl("delete", "en", "deleted");
    await logHas(agent, /revoked|Authorization Violation/i);
    await logHas(agent, /NotEnrolled/);
    expect((await plane.kubectl(["get", "en", "deleted"])).code).not.toBe(0);
    const manifest = {
      apiVersion: "steward.dev/v1alpha1",
      kind: "EdgeNode",
      metadata: { name: "deleted" },
      spec: { publicKey },
    };
    await plane.kubectl(["apply", "-f", "-"], { stdin: JSON.stringify(manifest) });
    await readyIs("deleted", "True", "Heartbeat");
    await agent.stop();
  });

  test("is thrown out when another machine joins in its place", async () => {
    const [before, after] = [await Machine.make(), await Machine.make()];
    const old = await before.run("replaced");
    await readyIs("replaced", "True", "Heartbeat");
    const first = await edgeNode("replaced");
    const agent = await after.run("replaced");
    await logHas(old, /revoked|Authorization Violation/i);
    await logHas(old, /KeyNotApproved/);
    await vi.waitFor(async () => {
      const { spec, status } = await edgeNode("replaced");
      expect(spec.publicKey).not.toBe(first.spec.publicKey);
      expect(status.identity).toMatchObject({ publicKey: spec.publicKey, trustSerial: 1 });
      expect(status.session?.id).not.toBe(first.status.session?.id);
    }, SOON);
    await readyIs("replaced", "True", "Heartbeat");
    await pastTheSecondOf((await edgeNode("replaced")).status.ledgerSince);
    await succeedsOn("replaced");
    await Promise.all([old.stop(), agent.stop()]);
  });

  test("is sent nothing while a copy of it speaks too", async () => {
    const [machine, copy] = [await Machine.make(), await Machine.make()];
    const agent = await machine.run("twin");
    await readyIs("twin", "True", "Heartbeat");
    await cp(machine.dataDir("twin"), copy.dataDir("twin"), { recursive: true });
    const twin = await copy.run("twin");
    await readyIs("twin", "False", "IdentityConflict");
    await twin.stop();
    await readyIs("twin", "True", "Heartbeat");
    await succeedsOn("twin");
    await agent.stop();
  });
});

test("a machine whose key comes from Git joins with a line that has no secret", async () => {
  const machine = await Machine.make();
  const keys = ["--keys-dir", plane.keysDir ?? "", "--kubeconfig", plane.kubeconfigPath];
  const line = await steward("enroll", "declared", "--no-token", ...keys);
  const where = ["--data-dir", machine.dataDir("declared")];
  const publicKey = (await steward("agent", "keygen", ...where)).trim();
  const manifest = {
    apiVersion: "steward.dev/v1alpha1",
    kind: "EdgeNode",
    metadata: { name: "declared" },
    spec: { publicKey },
  };
  await plane.kubectl(["apply", "-f", "-"], { stdin: JSON.stringify(manifest) });
  await steward("agent", "join", line.trim().split(" ").at(-1) ?? "", ...where);
  const agent = await machine.run("declared");
  await readyIs("declared", "True", "Heartbeat");
  await succeedsOn("declared");
  expect((await edgeNode("declared")).spec).toEqual({ publicKey, disabled: false });
  await agent.stop();
});

test("what is revoked is on record, without a secret in it", async () => {
  const map = await kubectl("get", "configmaps", "-A", "-o", "json");
  expect(map).toContain("steward-revocations");
  expect(map).not.toMatch(/"S[UAO][A-Z2-7]{56}/);
});

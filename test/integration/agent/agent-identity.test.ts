import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IdentityDirectory } from "../../../src/agent/identity-directory.ts";
import { openAgentIdentity } from "../../../src/cli/agent-identity.ts";
import { agentProgram } from "../../../src/cli/agent-options.ts";
import { parseOptions } from "../../../src/cli/options.ts";
import type { Compiled } from "../../../src/cli/program.ts";
import { serialiseNodeTrust } from "../../../src/identity/node-trust.ts";
import { ANYONE } from "../../../src/protocol/signature.ts";
import { CONTROLLER_KEY, NODE_KEY } from "../../support/test-keys.ts";
import { CLUSTER_ID } from "../../unit/agent/controller-side.ts";
import { StewardProcess } from "./agent-process.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "steward-identity-"));
});
afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

async function joined(): Promise<void> {
  const directory = new IdentityDirectory(dataDir);
  const trust = {
    servers: ["tls://broker.example.com:4222"],
    node: "ship1",
    namespace: "fleet",
    clusterID: CLUSTER_ID,
    ca: "CA",
    commandKeys: { serial: 1, keys: [CONTROLLER_KEY.publicKey] },
    enrollmentJwt: "e.e.e",
  };
  await directory.write("node.seed", NODE_KEY.seed);
  await directory.write("trust.json", serialiseNodeTrust(trust));
}

function options(...argv: string[]): Compiled<typeof agentProgram.options> {
  const parsed = parseOptions(agentProgram, [...argv, "--data-dir", dataDir], {}, () => "");
  if (parsed.kind !== "options") throw new Error(parsed.text);
  return parsed.options;
}

const INSECURE = ["--insecure", "--node", "ship1", "--nats-url", "nats://127.0.0.1:4222"];

describe("an agent that has joined", () => {
  beforeEach(joined);

  test("is who it joined as, and finds the broker where the token said", async () => {
    const identity = await openAgentIdentity(options("--node", "ship1", "--namespace", "fleet"));
    expect(identity).toMatchObject({ node: "ship1", namespace: "fleet" });
    expect(identity.servers).toEqual(["tls://broker.example.com:4222"]);
    expect(identity.security.signers.map(({ keyID }) => keyID)).toEqual([NODE_KEY.publicKey]);
  });

  test("may find the broker elsewhere", async () => {
    const { servers } = await openAgentIdentity(options("--nats-url", "tls://localhost:1"));
    expect(servers).toEqual(["tls://localhost:1"]);
  });

  test.each([
    [["--node", "ship2"], "--node: got ship2, but this node has joined as ship1"],
    [["--namespace", "other"], "--namespace: got other, but this node has joined as fleet"],
    [INSECURE, "leave --insecure out"],
  ])("does not start with %j", async (argv, message) => {
    await expect(openAgentIdentity(options(...argv))).rejects.toThrow(message);
  });
});

describe("an agent that has not joined", () => {
  test("does not start, and says how to join", async () => {
    await using agent = new StewardProcess(["agent", "--data-dir", dataDir]);
    expect(await agent.exit()).toBe(2);
    expect(agent.stderr).toContain("steward agent join");
  });

  test.each([
    [["--insecure", "--nats-url", "nats://127.0.0.1:4222"], "--node is required"],
    [["--insecure", "--node", "ship1"], "--nats-url is required"],
  ])("does not start with %j alone", async (argv, message) => {
    await expect(openAgentIdentity(options(...argv))).rejects.toThrow(message);
  });

  test("believes anyone with --insecure, and keeps what it is sealed to", async () => {
    const first = await openAgentIdentity(options(...INSECURE));
    expect(first).toMatchObject({ node: "ship1", namespace: "default", joined: undefined });
    expect(first.security).toMatchObject({ signers: [], trust: ANYONE, trustSerial: undefined });
    const again = await openAgentIdentity(options(...INSECURE));
    expect(again.security.sealingKey).toEqual(first.security.sealingKey);
  });
});

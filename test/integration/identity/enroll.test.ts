import { beforeAll, describe, expect, test } from "vitest";

import { createSecretKeyStore } from "../../../src/cli/key-store-secrets.ts";
import { edgeNodes } from "../../../src/cli/resources.ts";
import type { EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import { parseCommandKeys } from "../../../src/identity/command-keys.ts";
import { decodeJoinToken, type JoinToken } from "../../../src/identity/join-token.ts";
import { keyPairOf, newKeyPair } from "../../../src/identity/key-pair.ts";
import type { KeyFiles } from "../../../src/identity/key-set-layout.ts";
import {
  createResourceClient,
  type ResourceClient,
} from "../../../src/kubernetes/resource-client.ts";
import type { Transport } from "../../../src/kubernetes/transport.ts";
import type { CommandResult } from "../../../dev/controlplane/run.ts";
import { createNamespace, sharedControlPlane } from "../../support/control-plane.ts";
import { connect } from "../kubernetes/world.ts";
import { steward } from "./commands.ts";

const cluster = sharedControlPlane();
const SERVER = "tls://nats.example.com:4222";
let transport: Transport;
let nodes: ResourceClient<EdgeNode>;
let namespace = "";
let keysNamespace = "";

beforeAll(async () => {
  transport = await connect(cluster.kubeconfigPath);
  nodes = createResourceClient<EdgeNode>(transport, edgeNodes);
  namespace = await createNamespace();
  keysNamespace = await createNamespace();
  const options = ["--server-name", "a", "--nats-url", SERVER];
  await steward(cluster.kubeconfigPath, "bootstrap", "--namespace", keysNamespace, ...options);
  return () => transport.close();
});

const keyFiles = (): Promise<KeyFiles> =>
  createSecretKeyStore(transport, keysNamespace).read(["controller", "enrollment"]);

const enroll = (node: string, ...args: string[]): Promise<CommandResult> =>
  withKeys("enroll", node, "-n", namespace, ...args);

const rotate = (...args: string[]): Promise<CommandResult> =>
  withKeys("rotate-command-key", ...args);

function withKeys(...args: string[]): Promise<CommandResult> {
  return steward(cluster.kubeconfigPath, ...args, "--keys-namespace", keysNamespace);
}

function tokenIn({ stdout }: CommandResult): JoinToken {
  const [, token = ""] = /^steward agent join (\S+)\n$/.exec(stdout) ?? [];
  return decodeJoinToken(token);
}

describe("steward enroll", () => {
  test("without a token prints a line without a secret, and declares nothing", async () => {
    const result = await enroll("git1", "--no-token");
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining("spec.publicKey") });
    const { seed, ...known } = tokenIn(result);
    expect(seed).toBeUndefined();
    expect(known).toMatchObject({ node: "git1", namespace, servers: [SERVER] });
    expect(await nodes.get(namespace, "git1")).toBeUndefined();
  });

  test("creates the node and prints the line to run there, and that alone on stdout", async () => {
    const result = await enroll("ship1");
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining("machine") });
    const token = tokenIn(result);
    const uid = ["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"];
    const files = await keyFiles();
    expect(token).toEqual({
      servers: [SERVER],
      node: "ship1",
      namespace,
      clusterID: (await cluster.kubectl(uid)).stdout,
      ca: files.get("enrollment/ca.crt"),
      commandKeys: JSON.parse(files.get("enrollment/command-keys.pub.json") ?? ""),
      enrollmentJwt: files.get("enrollment/enrollment.jwt")?.trim(),
      seed: token.seed,
    });
    const node = await nodes.get(namespace, "ship1");
    expect(node?.spec).toEqual({
      disabled: false,
      enrollment: {
        publicKey: keyPairOf(token.seed ?? "").publicKey,
        expiresAt: node?.spec.enrollment?.expiresAt,
      },
    });
    const minutes = (Date.parse(node?.spec.enrollment?.expiresAt ?? "") - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(30);
    expect(minutes).toBeLessThanOrEqual(60);
  });

  test("lets a node that is there expect the new token only, and leaves the rest of it", async () => {
    const { publicKey } = newKeyPair("user");
    const labels = { fleet: "north" };
    await nodes.create({
      metadata: { namespace, name: "ship2", labels },
      spec: { publicKey, disabled: true },
    });
    await enroll("ship2");
    const result = await enroll("ship2", "--nats-url", "tls://b:1,tls://c:2", "--ttl", "168h");
    expect(result.stderr).toMatch(/has a key already[^]*is disabled/);
    expect(tokenIn(result).servers).toEqual(["tls://b:1", "tls://c:2"]);
    const node = await nodes.get(namespace, "ship2");
    expect(node).toMatchObject({
      metadata: { labels },
      spec: {
        publicKey,
        disabled: true,
        enrollment: { publicKey: keyPairOf(tokenIn(result).seed ?? "").publicKey },
      },
    });
  });

  test("takes the id of another cluster", async () => {
    const id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    expect(tokenIn(await enroll("ship3", "--cluster-id", id)).clusterID).toBe(id);
  });

  test("refuses what is no name of a node, with one that would do", async () => {
    const result = await enroll("Ship.One");
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain("ship-one would do");
  });

  test("says what to do first where there are no keys, and creates nothing", async () => {
    const flags = ["-n", namespace, "--keys-namespace", namespace];
    const result = await steward(cluster.kubeconfigPath, "enroll", "ship5", ...flags);
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toMatch(/enrollment\/\S+: is missing: .*steward bootstrap/);
    expect(await nodes.get(namespace, "ship5")).toBeUndefined();
  });
});

describe("steward rotate-command-key", () => {
  test("adds a key, and at the end leaves that one alone; each time with a new serial", async () => {
    const before = parseCommandKeys((await keyFiles()).get("controller/command-keys.json") ?? "");
    expect(await rotate()).toMatchObject({ code: 0, stderr: "" });
    const files = await keyFiles();
    const during = parseCommandKeys(files.get("controller/command-keys.json") ?? "");
    expect(during.serial).toBe(before.serial + 1);
    expect(during.pairs.map(({ seed }) => seed)).toEqual([
      before.pairs[0]?.seed,
      during.pairs[1]?.seed,
    ]);
    expect(JSON.parse(files.get("enrollment/command-keys.pub.json") ?? "")).toEqual({
      serial: during.serial,
      keys: during.pairs.map(({ publicKey }) => publicKey),
    });

    await nodes.create({
      metadata: { namespace, name: "ship6" },
      spec: { publicKey: newKeyPair("user").publicKey, disabled: false },
    });
    const refused = await rotate("--finish");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("not known to trust the newest key");

    expect(await rotate("--finish", "--force")).toMatchObject({ code: 0 });
    const after = parseCommandKeys((await keyFiles()).get("controller/command-keys.json") ?? "");
    expect(after.serial).toBe(during.serial + 1);
    expect(after.pairs.map(({ seed }) => seed)).toEqual([during.pairs[1]?.seed]);
    expect((await rotate("--finish")).stdout).toContain("no rotation to finish");
  });
});

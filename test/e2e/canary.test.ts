import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { etcdUrl } from "../../dev/controlplane/etcd.ts";
import { startOwnControlPlane, type OwnControlPlane } from "../support/control-plane.ts";
import { Fleet } from "../support/fleet.ts";

const TOKEN = `canary-${randomBytes(12).toString("hex")}`;
const INPUT = `canary-${randomBytes(12).toString("hex")}`;

let plane: OwnControlPlane;
let fleet: Fleet;
/** Where commands look for word to go on, whoever they run as. */
let meeting = "";
beforeAll(async () => {
  plane = await startOwnControlPlane();
  fleet = await Fleet.start(plane, ["ship1"]);
  meeting = await mkdtemp(join(tmpdir(), "steward-canary-"));
  await chmod(meeting, 0o755);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
  await rm(meeting, { recursive: true, force: true });
});

/** A value as it is, and as it is in base64, wherever that begins. */
function formsOf(value: string): string[] {
  const encoded = ["", "x", "xx"].map((before) => Buffer.from(before + value).toString("base64"));
  return [value, ...encoded.map((text) => text.slice(4, -4))];
}

function leaksIn(texts: ReadonlyMap<string, string>): string[] {
  const forms = [TOKEN, INPUT].flatMap(formsOf);
  const leaking = [...texts].filter(([, text]) => forms.some((form) => text.includes(form)));
  return leaking.map(([place]) => place);
}

async function filesBelow(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts = new Map<string, string>();
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name);
    // What is gone since was a file of an attempt.
    texts.set(path, await readFile(path, "latin1").catch(() => ""));
  }
  return texts;
}

async function ofProcesses(file: "cmdline" | "environ"): Promise<Map<string, string>> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const texts = new Map<string, string>();
  for (const pid of pids) {
    texts.set(pid, await readFile(`/proc/${pid}/${file}`, "latin1").catch(() => ""));
  }
  return texts;
}

/** Everything in etcd, by key. */
async function etcdValues(): Promise<Map<string, string>> {
  const all = Buffer.of(0).toString("base64");
  const answer = await fetch(`${etcdUrl(plane.components.etcd.port)}/v3/kv/range`, {
    method: "POST",
    body: JSON.stringify({ key: all, range_end: all }),
  });
  const { kvs } = (await answer.json()) as { readonly kvs: { key: string; value?: string }[] };
  return new Map(
    kvs.map(({ key, value = "" }) => [
      Buffer.from(key, "base64").toString(),
      Buffer.from(value, "base64").toString("latin1"),
    ]),
  );
}

async function metrics(): Promise<string> {
  const log = await readFile(fleet.controller.logPath, "utf8");
  const line = log.split("\n").find((each) => each.includes("serving /healthz")) ?? "{}";
  const { host, port } = JSON.parse(line) as { readonly host: string; readonly port: number };
  return (await fetch(`http://${host}:${port}/metrics`)).text();
}

/** All places but those where the values belong. */
async function everywhere(): Promise<Map<string, string>> {
  const kinds = "edgecommands,edgenodes,events,events.events.k8s.io,configmaps,leases";
  const etcd = [...(await etcdValues())].filter(([key]) => !key.startsWith("/registry/secrets/"));
  const files = [...(await filesBelow(fleet.dir)), ...(await filesBelow(plane.dir))];
  return new Map([
    ["objects", await fleet.kubectl(["get", kinds, "-o", "json", "--show-managed-fields"])],
    ["metrics", await metrics()],
    ...etcd,
    // etcd's own files have the Secret.
    ...files.filter(([path]) => !path.startsWith(join(plane.dir, "etcd"))),
    ...(await ofProcesses("cmdline")),
  ]);
}

/** What a running command has printed is in its own two files, as it printed it, until it is over. */
function isOutput(path: string): boolean {
  return /\/runs\/[^/]+\/std(out|err)$/.test(path);
}

async function createSecret(): Promise<void> {
  const metadata = { name: "canary" };
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata,
    stringData: { token: TOKEN, input: `${INPUT}\n` },
  };
  await fleet.kubectl(["create", "-f", "-"], JSON.stringify(secret));
}

function secretKey(key: string): object {
  return { secretKeyRef: { name: "canary", key } };
}

/** Prints what it was given in several ways, in pieces with a pause between them, and fails. */
function indiscreet(): string {
  return [
    'echo "token $TOKEN"; cat; printf %s "$TOKEN" | base64 >&2',
    'rest="${TOKEN#????????????}"; printf %s "${TOKEN%"$rest"}"; sleep 0.3; echo "$rest"',
    `until [ -e ${join(meeting, "go")} ]; do sleep 0.05; done`,
    'echo "user:$TOKEN" | base64; exit 7',
  ].join("\n");
}

test("a secret is in the environment of its command and on its input, and nowhere else", async () => {
  await fleet.apply("canary", {
    nodeName: "ship1",
    method: "shellcommand",
    args: [indiscreet()],
    env: [{ name: "TOKEN", valueFrom: secretKey("token") }],
    stdinFrom: secretKey("input"),
    retry: { limit: 1, backoff: "1s" },
  });
  await vi.waitFor(
    async () => {
      const { run } = await fleet.status("canary");
      expect(run).toMatchObject({ reason: "SecretNotFound" });
    },
    { timeout: 30_000, interval: 200 },
  );
  await createSecret();
  await fleet.untilPhase("canary", "Running");
  // The way to look is one by which it is found.
  await vi.waitFor(
    async () => {
      expect(leaksIn(await ofProcesses("environ"))).not.toEqual([]);
      const printed = [...(await filesBelow(fleet.dir))].filter(([path]) => isOutput(path));
      expect(leaksIn(new Map(printed))).toHaveLength(2);
    },
    { timeout: 20_000, interval: 100 },
  );
  expect(leaksIn(await etcdValues())).toEqual([`/registry/secrets/${fleet.namespace}/canary`]);
  expect(leaksIn(await everywhere()).filter((place) => !isOutput(place))).toEqual([]);

  await writeFile(join(meeting, "go"), "");
  const { run } = await fleet.completed("canary");
  expect(run).toMatchObject({ outcome: "Failed", exitCode: 7, attempts: 2 });
  expect(run?.stdout?.text).toContain("token [redacted]\n[redacted]\n");
  expect(run?.stderr?.text).toBe("[redacted]\n");
  expect(leaksIn(await everywhere())).toEqual([]);
  await fleet.agent("ship1").stop();
  await fleet.controller.stop();
  expect(leaksIn(await filesBelow(fleet.dir))).toEqual([]);
});

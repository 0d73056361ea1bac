import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { completeStore } from "../../../src/cli/bootstrap.ts";
import { createFileKeyStore } from "../../../src/cli/key-store-files.ts";
import { createSecretKeyStore } from "../../../src/cli/key-store-secrets.ts";
import { KeyStoreConflictError, type KeyStore } from "../../../src/cli/key-store.ts";
import { makeAuthority } from "../../../src/identity/authority.ts";
import { KEY_FILES, KEY_SET_NAMES } from "../../../src/identity/key-set-layout.ts";
import type { Transport } from "../../../src/kubernetes/transport.ts";
import { createNamespace, sharedControlPlane } from "../../support/control-plane.ts";
import { connect } from "../kubernetes/world.ts";
import { steward } from "./commands.ts";

const cluster = sharedControlPlane();
const OPTIONS = ["--server-name", "nats.example.com,127.0.0.1"];
let transport: Transport;

beforeAll(async () => {
  transport = await connect(cluster.kubeconfigPath);
});
afterAll(() => transport.close());

interface Place {
  readonly kind: string;
  readonly make: () => Promise<{ readonly store: KeyStore; readonly flags: readonly string[] }>;
}

const directories: string[] = [];
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "steward-keys-"));
  directories.push(directory);
  return directory;
}

const PLACES: readonly Place[] = [
  {
    kind: "a directory",
    make: async () => {
      const directory = join(await newDirectory(), "keys");
      return { store: createFileKeyStore(directory), flags: ["--out-dir", directory] };
    },
  },
  {
    kind: "the Secrets of a namespace",
    make: async () => {
      const namespace = await createNamespace();
      const store = createSecretKeyStore(transport, namespace);
      return { store, flags: ["--namespace", namespace] };
    },
  },
];

describe.each(PLACES)("steward bootstrap into $kind", ({ make }) => {
  test("makes all key sets, and a second time nothing", async () => {
    const { store, flags } = await make();
    const first = await steward(cluster.kubeconfigPath, "bootstrap", ...flags, ...OPTIONS);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout.match(/^ {2}\w+: made$/gm)).toHaveLength(4);
    const made = await store.read(KEY_SET_NAMES);
    expect([...made.keys()]).toEqual(KEY_FILES.filter((file) => !file.endsWith("servers.json")));

    const second = await steward(cluster.kubeconfigPath, "bootstrap", ...flags, ...OPTIONS);
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(second.stdout.match(/: was there, unchanged$/gm)).toHaveLength(4);
    expect(await store.read(KEY_SET_NAMES)).toEqual(made);
    for (const [, text] of made) expect(first.stdout + second.stdout).not.toContain(text);

    const urls = ["--nats-url", "tls://nats.example.com:4222"];
    const third = await steward(cluster.kubeconfigPath, "bootstrap", ...flags, ...urls);
    expect(third.stdout).toContain("  enrollment: was there\n    servers.json: made\n");
    const after = await store.read(KEY_SET_NAMES);
    after.forEach((text, file) => {
      if (file !== "enrollment/servers.json") expect(text).toBe(made.get(file));
    });
  });

  test("by several at once ends with one set of keys", async () => {
    const { store } = await make();
    const options = { now: Date.now(), serverNames: ["a"] };
    await Promise.all([1, 2, 3].map(() => completeStore(store, options)));
    expect((await completeStore(store, options)).changes).toEqual([]);
  });

  test("does not overwrite what somebody else has written meanwhile", async () => {
    const { store } = await make();
    const file = "nats/fleet-account.pub" as const;
    await store.write([{ file, text: "theirs", replaces: undefined }]);
    for (const replaces of [undefined, "another"]) {
      const writing = store.write([{ file, text: "ours", replaces }]);
      await expect(writing).rejects.toThrow(KeyStoreConflictError);
    }
    const absent = { file: "nats/ca.crt", text: "ours", replaces: "another" } as const;
    await expect(store.write([absent])).rejects.toThrow(KeyStoreConflictError);
    expect([...(await store.read(["nats"]))]).toEqual([[file, "theirs"]]);
    await store.write([{ file, text: "ours", replaces: "theirs" }]);
    expect((await store.read(["nats"])).get(file)).toBe("ours");
  });
});

test("key files in a directory are for their owner alone", async () => {
  const directory = await newDirectory();
  await steward("", "bootstrap", "--out-dir", directory, ...OPTIONS);
  expect((await stat(join(directory, "identity"))).mode & 0o777).toBe(0o700);
  for (const file of KEY_FILES.filter((one) => !one.endsWith("servers.json"))) {
    expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
  }
});

test("Secrets say whose they are", async () => {
  const namespace = await createNamespace();
  await steward(cluster.kubeconfigPath, "bootstrap", "--namespace", namespace, ...OPTIONS);
  const selector = ["-l", "app.kubernetes.io/managed-by=steward-bootstrap", "-o", "name"];
  const { stdout } = await cluster.kubectl(["-n", namespace, "get", "secrets", ...selector]);
  expect(stdout.trim().split("\n")).toEqual(
    ["controller", "enrollment", "identity", "nats"].map((set) => `secret/steward-${set}`),
  );
});

test("an authority that is given signs the server's certificate", async () => {
  const directory = await newDirectory();
  const authority = await makeAuthority(Date.now());
  const [certificate, key] = [join(directory, "my.crt"), join(directory, "my.key")];
  await writeFile(certificate, authority.certificate);
  await writeFile(key, authority.key);
  const given = ["--ca-cert", certificate, "--ca-key", key];
  const { code } = await steward("", "bootstrap", "--out-dir", directory, ...OPTIONS, ...given);
  expect(code).toBe(0);
  expect(await readFile(join(directory, "nats/tls.crt"), "utf8")).toContain(authority.certificate);
});

test.each([
  { args: [], code: 2, problem: "give one of --out-dir and --namespace" },
  { args: ["--out-dir", "/dev/null"], code: 1, problem: "ENOTDIR" },
])("steward bootstrap $args is refused: $problem", async ({ args, code, problem }) => {
  const result = await steward("", "bootstrap", ...args);
  expect(result).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(problem) });
});

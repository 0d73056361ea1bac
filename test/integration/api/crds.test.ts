import { beforeAll, describe, expect, test } from "vitest";

import { createNamespace, kubectl } from "../../support/control-plane.ts";
import { NODE_KEY, TOKEN_KEY } from "../../support/test-keys.ts";

let namespace: string;
beforeAll(async () => {
  namespace = await createNamespace();
});

async function apply(manifest: object): Promise<{ code: number | null; output: string }> {
  const { code, stdout, stderr } = await kubectl(["apply", "-n", namespace, "-f", "-"], {
    stdin: JSON.stringify(manifest),
  });
  return { code, output: stdout + stderr };
}

function edgeCommand(name: string, spec: object | undefined): object {
  return {
    apiVersion: "steward.dev/v1alpha1",
    kind: "EdgeCommand",
    metadata: { name },
    ...(spec === undefined ? {} : { spec }),
  };
}

const REFERENCE = { name: "db", key: "password" };
const BOTH = { secretKeyRef: REFERENCE, configMapKeyRef: REFERENCE };

function edgeNode(name: string, spec: object | undefined): object {
  return { ...edgeCommand(name, spec), kind: "EdgeNode" };
}

const valid = { nodeName: "ship1", method: "shellcommand", args: ["uptime"] };

describe("a spec that cannot work is refused with a message that names the field and the fix", () => {
  test.each([
    ["no spec", undefined, /spec: Required value/],
    ["no node", { method: "ping" }, /spec\.nodeName: Required value/],
    [
      "a node name with dots and capitals",
      { ...valid, nodeName: "Ship.1" },
      /spec\.nodeName: .*must be the name of an EdgeNode: lower-case letters, digits and '-'/,
    ],
    [
      "a reserved method",
      { ...valid, method: "cancel" },
      /spec\.method: .*cancel and hello are reserved/,
    ],
    [
      "a method that is no token",
      { ...valid, method: "Shell Command" },
      /spec\.method: .*must be a method such as shellcommand/,
    ],
    [
      "a time-out without a unit",
      { ...valid, timeout: "30" },
      /spec\.timeout: .*must be a duration above zero such as 90s, 5m or 1h30m/,
    ],
    [
      "a time-out of nothing",
      { ...valid, timeout: "0s" },
      /spec\.timeout: .*must be a duration above zero/,
    ],
    [
      "a deadline after the end of time",
      { ...valid, startDeadline: "87601h" },
      /spec\.startDeadline: .*must be at most 87600h, ten years/,
    ],
    [
      "a negative deadline",
      { ...valid, startDeadline: "-1m" },
      /spec\.startDeadline: .*must be a duration above zero such as 10m or 24h/,
    ],
    [
      "an exit code out of range",
      { ...valid, successExitCodes: [256] },
      /spec\.successExitCodes\[0\].*less than or equal to 255/,
    ],
    [
      "a relative working directory",
      { ...valid, workingDir: "tmp" },
      /spec\.workingDir: .*must be an absolute path/,
    ],
    [
      "a variable that no shell could read",
      { ...valid, env: [{ name: "A-B", value: "1" }] },
      /spec\.env\[0\]\.name: .*must be a name of letters, digits and '_'/,
    ],
    [
      "a variable twice",
      { ...valid, env: [{ name: "A" }, { name: "A" }] },
      /spec\.env\[1\]: Duplicate value/,
    ],
    [
      "too much output wanted",
      { ...valid, output: { inlineBytes: 5000 } },
      /spec\.output\.inlineBytes.*less than or equal to 4096/,
    ],
    [
      "inputs too large for a message",
      { ...valid, args: ["x".repeat(60_000)], stdin: "y".repeat(60_000) },
      /spec: .*args, env and stdin may have 98304 characters together/,
    ],
    [
      "a rerun with a space in it",
      { ...valid, rerun: "once more" },
      /spec\.rerun: .*may have letters, digits and \. _ : \+ - only/,
    ],
    [
      "a policy that there is not",
      { ...valid, offlinePolicy: "Ignore" },
      /spec\.offlinePolicy: Unsupported value: "Ignore": supported values: "Wait", "Skip", "Fail"/,
    ],
    [
      "more retries than anybody waits for",
      { ...valid, retry: { limit: 101 } },
      /spec\.retry\.limit.*less than or equal to 100/,
    ],
    [
      "a pause without a unit",
      { ...valid, retry: { backoff: "10" } },
      /spec\.retry\.backoff: .*must be a duration above zero such as 10s/,
    ],
    [
      "a wait for what there is not",
      { ...valid, readyWhen: "Started" },
      /spec\.readyWhen: Unsupported value: "Started": supported values: "Succeeded", "Accepted", "Declared"/,
    ],
    [
      "a time to live of nothing",
      { ...valid, ttlAfterFinished: "0s" },
      /spec\.ttlAfterFinished: .*must be a duration above zero such as 1h or 72h/,
    ],
    [
      "a variable that has both a value and a place of it",
      { ...valid, env: [{ name: "A", value: "1", valueFrom: { secretKeyRef: REFERENCE } }] },
      /spec\.env\[0\]: .*must have one of value and valueFrom/,
    ],
    [
      "a value from two places",
      { ...valid, env: [{ name: "A", valueFrom: BOTH }] },
      /spec\.env\[0\]\.valueFrom: .*must have one of secretKeyRef and configMapKeyRef/,
    ],
    [
      "a value from nowhere",
      { ...valid, env: [{ name: "A", valueFrom: {} }] },
      /spec\.env\[0\]\.valueFrom: .*must have one of secretKeyRef and configMapKeyRef/,
    ],
    [
      "a Secret that can have no such name",
      { ...valid, env: [{ name: "A", valueFrom: { secretKeyRef: { name: "DB", key: "k" } } }] },
      /spec\.env\[0\]\.valueFrom\.secretKeyRef\.name: .*must be the name of a Secret of this namespace/,
    ],
    [
      "a Secret of another namespace",
      { ...valid, stdinFrom: { secretKeyRef: { name: "other/db", key: "k" } } },
      /spec\.stdinFrom\.secretKeyRef\.name: .*must be the name of a Secret of this namespace/,
    ],
    [
      "a key that no ConfigMap can have",
      { ...valid, stdinFrom: { configMapKeyRef: { name: "db", key: "a/b" } } },
      /spec\.stdinFrom\.configMapKeyRef\.key: .*must be a key: letters, digits and - \. _/,
    ],
    [
      "a reference without a key",
      { ...valid, stdinFrom: { secretKeyRef: { name: "db" } } },
      /spec\.stdinFrom\.secretKeyRef\.key: Required value/,
    ],
    [
      "stdin from two places",
      { ...valid, stdin: "in", stdinFrom: { secretKeyRef: REFERENCE } },
      /spec: .*must have one of stdin and stdinFrom/,
    ],
    [
      "a user by number",
      { ...valid, runAs: "1000" },
      /spec\.runAs: .*must be the name of a user of the node: lower-case letters, digits, '-' and '_'/,
    ],
    [
      "a user and a group",
      { ...valid, runAs: "root:wheel" },
      /spec\.runAs: .*must be the name of a user of the node/,
    ],
    ["a user without a name", { ...valid, runAs: "" }, /spec\.runAs.*at least 1 char/],
    ["a misspelt field", { ...valid, nodename: "ship1" }, /unknown field "spec\.nodename"/],
    [
      "an argument that is no string",
      { ...valid, args: [1] },
      /spec\.args\[0\].*must be of type string/,
    ],
  ])("%s", async (_, spec, message) => {
    const { code, output } = await apply(edgeCommand("refused", spec));
    expect(output).toMatch(message);
    expect(code).not.toBe(0);
  });

  test("the node of an existing command cannot be changed", async () => {
    expect((await apply(edgeCommand("fixed-node", valid))).code).toBe(0);
    const { code, output } = await apply(
      edgeCommand("fixed-node", { ...valid, nodeName: "ship2" }),
    );
    expect(output).toMatch(
      /spec\.nodeName: .*is immutable: create another EdgeCommand for another node/,
    );
    expect(code).not.toBe(0);
  });
});

describe("who a node is", () => {
  const expiresAt = "2026-03-01T12:00:00Z";

  test.each([
    [
      "a seed in place of a public key",
      { publicKey: `SU${"A".repeat(54)}` },
      /spec\.publicKey: .*must be a public key: U and 55 further letters and digits, as steward agent keygen prints it/,
    ],
    ["a key that is too long", { publicKey: `U${"A".repeat(56)}` }, /spec\.publicKey: Too long/],
    [
      "an account's key as a token",
      { enrollment: { publicKey: `A${"A".repeat(55)}`, expiresAt } },
      /spec\.enrollment\.publicKey: .*must be a public key/,
    ],
    [
      "a token that never expires",
      { enrollment: { publicKey: NODE_KEY.publicKey } },
      /spec\.enrollment\.expiresAt: Required value/,
    ],
    [
      "a token that expires some day",
      { enrollment: { publicKey: NODE_KEY.publicKey, expiresAt: "some day" } },
      /spec\.enrollment\.expiresAt: .*must be of type date-time/,
    ],
    ["a seed", { seed: NODE_KEY.seed }, /unknown field "spec\.seed"/],
  ])("is refused if it is %s", async (_, spec, message) => {
    const { code, output } = await apply(edgeNode("ship-refused", spec));
    expect(output).toMatch(message);
    expect(code).not.toBe(0);
  });

  test.each([
    ["nothing", "ship-bare", undefined],
    ["a key", "ship-key", { publicKey: NODE_KEY.publicKey }],
    [
      "a token",
      "ship-token",
      { enrollment: { publicKey: TOKEN_KEY.publicKey, expiresAt }, disabled: true },
    ],
  ])("may be %s", async (_, name, spec) => {
    const { code, output } = await apply(edgeNode(name, spec));
    expect(output).toMatch(/created/);
    expect(code).toBe(0);
    const { stdout } = await kubectl(["get", "en", name, "-n", namespace, "-o", "json"]);
    expect((JSON.parse(stdout) as { spec: unknown }).spec).toEqual({ disabled: false, ...spec });
  });

  test("is nothing again after its spec was taken away", async () => {
    const key = { publicKey: NODE_KEY.publicKey };
    expect((await apply(edgeNode("ship-again", key))).code).toBe(0);
    const patch = ["patch", "en", "ship-again", "-n", namespace, "--type=json", "-p"];
    const { code } = await kubectl([...patch, '[{"op":"remove","path":"/spec"}]']);
    expect(code).toBe(0);
    const { stdout } = await kubectl(["get", "en", "ship-again", "-n", namespace, "-o", "json"]);
    expect((JSON.parse(stdout) as { spec: unknown }).spec).toEqual({ disabled: false });
  });
});

describe("a valid resource", () => {
  test("may take what it needs from Secrets and ConfigMaps, as a user of the node", async () => {
    const spec = {
      ...valid,
      env: [
        { name: "A", valueFrom: { secretKeyRef: REFERENCE } },
        { name: "B", valueFrom: { configMapKeyRef: { ...REFERENCE, optional: true } } },
        { name: "C", value: "plain" },
      ],
      stdinFrom: { configMapKeyRef: { name: "settings.v1", key: "my-app_1.conf" } },
      runAs: "_backup-1",
    };
    expect((await apply(edgeCommand("sources", spec))).code).toBe(0);
    const { stdout } = await kubectl(["get", "ec", "sources", "-n", namespace, "-o", "json"]);
    expect((JSON.parse(stdout) as { spec: unknown }).spec).toMatchObject({
      env: [
        { name: "A", value: "", valueFrom: { secretKeyRef: { ...REFERENCE, optional: false } } },
        { name: "B", value: "", valueFrom: { configMapKeyRef: { optional: true } } },
        { name: "C", value: "plain" },
      ],
      stdin: "",
      runAs: "_backup-1",
    });
  });

  test("gets its defaults and a status that says that nobody has looked at it", async () => {
    expect((await apply(edgeCommand("defaults", { nodeName: "ship1", method: "ping" }))).code).toBe(
      0,
    );
    const { stdout } = await kubectl(["get", "ec", "defaults", "-n", namespace, "-o", "json"]);
    const object = JSON.parse(stdout) as { spec: unknown; status: unknown };
    expect(object.spec).toEqual({
      nodeName: "ship1",
      method: "ping",
      args: [],
      env: [],
      stdin: "",
      workingDir: "/",
      rerun: "",
      timeout: "5m",
      offlinePolicy: "Wait",
      retry: { limit: 0, backoff: "10s", maxBackoff: "10m" },
      idempotent: false,
      readyWhen: "Succeeded",
      suspend: false,
      cancel: false,
      successExitCodes: [0],
      output: { inlineBytes: 4096 },
    });
    expect(object.status).toEqual({ observedGeneration: -1, phase: "Pending" });
  });

  test("is shown with the columns that people need", async () => {
    await apply(edgeCommand("columns", valid));
    const narrow = await kubectl(["get", "edgecommands", "columns", "-n", namespace]);
    expect(narrow.stdout.split("\n")[0]?.split(/\s+/).filter(Boolean)).toEqual([
      "NAME",
      "NODE",
      "METHOD",
      "PHASE",
      "EXIT",
      "RUN",
      "AGE",
    ]);
    expect(narrow.stdout).toMatch(/columns\s+ship1\s+shellcommand\s+Pending/);
    const wide = await kubectl(["get", "ec", "columns", "-n", namespace, "-o", "wide"]);
    expect(wide.stdout.split("\n")[0]).toMatch(/REASON\s+ATTEMPTS\s+DURATION\s+SUMMARY/);
  });

  test("can be selected by node, method and phase", async () => {
    await apply(edgeCommand("selected", { ...valid, nodeName: "ship9" }));
    for (const selector of [
      "spec.nodeName=ship9",
      "spec.nodeName=ship9,spec.method=shellcommand,status.phase=Pending",
    ]) {
      const { stdout } = await kubectl(
        [
          "get",
          "edge",
          "-n",
          namespace,
          "-o",
          "name",
          "--field-selector",
          selector,
          "--ignore-not-found",
        ].map((arg) => (arg === "edge" ? "ec" : arg)),
      );
      expect(stdout.trim()).toBe("edgecommand.steward.dev/selected");
    }
  });

  test("of a node has a name that is one token of a subject", async () => {
    const node = { apiVersion: "steward.dev/v1alpha1", kind: "EdgeNode" };
    const { code, output } = await apply({ ...node, metadata: { name: "ship.1" } });
    expect(output).toMatch(/metadata\.name: a node's name must be lower-case letters/);
    expect(code).not.toBe(0);
  });

  test("belongs to the category edge and not to all", async () => {
    const { stdout } = await kubectl(["api-resources", "--api-group=steward.dev", "-o", "wide"]);
    expect(stdout).toMatch(/edgecommands\s+ec\s.*EdgeCommand.*\sedge\n/);
    expect(stdout).toMatch(/edgenodes\s+en\s.*EdgeNode.*\sedge\n/);
  });
});

test.each(["edgecommand", "edgenode"])("every field of an %s is explained", async (kind) => {
  const { stdout } = await kubectl([
    "explain",
    kind,
    "--recursive",
    "--output=plaintext-openapiv2",
  ]);
  expect(stdout).toContain("DESCRIPTION");
  const { stdout: crd } = await kubectl(["get", "crd", `${kind}s.steward.dev`, "-o", "json"]);
  const { spec } = JSON.parse(crd) as CustomResourceDefinition;
  const missing = undescribed(spec.versions[0].schema.openAPIV3Schema.properties, "");
  expect(missing).toEqual([]);
});

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

interface CustomResourceDefinition {
  readonly spec: {
    readonly versions: readonly [
      { readonly schema: { readonly openAPIV3Schema: { properties: Record<string, Schema> } } },
    ];
  };
}

function undescribed(properties: Readonly<Record<string, Schema>>, path: string): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const here = `${path}.${name}`;
    const own = schema.description === undefined && here !== ".metadata" ? [here] : [];
    const below = schema.properties ?? schema.items?.properties ?? {};
    return [...own, ...undescribed(below, here)];
  });
}

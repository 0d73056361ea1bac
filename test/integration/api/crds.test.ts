import { beforeAll, describe, expect, test } from "vitest";

import { createNamespace, kubectl } from "../../support/control-plane.ts";

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

describe("a valid resource", () => {
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

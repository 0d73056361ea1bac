import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import { run } from "../../dev/controlplane/run.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test.each([
  ["one controller", []],
  ["two controllers, of which the leader is killed", ["--controllers", "2"]],
])("the demo shows every example's expected end with %s", async (_, flags) => {
  const args = ["run", "--silent", "demo", "--prefix", root, "--", "--exit", ...flags];
  const { code, stdout } = await run("npm", args, { env: process.env });
  expect(stdout).toContain("Every outcome is the expected one.");
  expect(code).toBe(0);
});

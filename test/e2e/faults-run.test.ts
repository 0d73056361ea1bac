import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import { harnessRun } from "../support/harness-run.ts";

const main = fileURLToPath(new URL("../faults/main.ts", import.meta.url));

test("a minute of everything going wrong breaks no promise", { timeout: 240_000 }, async () => {
  const { code, said } = await harnessRun(main, ["--seconds", "60"], "STEWARD_FAULTS_SEED");
  expect(said).toContain("\nno violation\n");
  expect(code).toBe(0);
});

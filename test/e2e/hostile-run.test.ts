import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import { harnessRun } from "../support/harness-run.ts";

const main = fileURLToPath(new URL("../hostile/main.ts", import.meta.url));

test("nothing that an attacker tries gets through", { timeout: 240_000 }, async () => {
  const { code, said } = await harnessRun(main, ["--mutations", "2000"], "STEWARD_HOSTILE_SEED");
  expect(said).toMatch(/^\d{4,} tried, 0 got through$/m);
  expect(code).toBe(0);
});

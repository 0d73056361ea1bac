import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../hostile/main.ts", import.meta.url));

/** It stops by itself well before; should it hang, what it said by then is worth seeing. */
const PATIENCE_MS = 225_000;

test("nothing that an attacker tries gets through", { timeout: 240_000 }, async () => {
  const seed = process.env["STEWARD_HOSTILE_SEED"];
  const args = ["--mutations", "2000", ...(seed === undefined ? [] : ["--seed", seed])];
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill("SIGTERM"), PATIENCE_MS);
  const exited = once(child, "exit");
  let said = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    said += String(chunk);
    // Also when all is well: the seed is worth having in the log.
    process.stdout.write(String(chunk));
  }
  const [code] = (await exited) as [number | null];
  clearTimeout(timer);
  expect(said).toMatch(/^\d{4,} tried, 0 got through$/m);
  expect(code).toBe(0);
});

/**
 * A program: `steward agent` or `steward controller`, which kills itself with SIGKILL when it reaches a step
 * for the first time. Arguments: a directory for the marks of what it has died of, the steps with commas,
 * then those of `steward`.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { runAgent } from "../../src/cli/agent.ts";
import { runController } from "../../src/cli/controller.ts";

const [dir = "", steps = "", command, ...argv] = process.argv.slice(2);
const deadly = new Set(steps.split(","));
mkdirSync(dir, { recursive: true });

function reached(step: string): void {
  const mark = join(dir, `died-of-${step}`);
  if (!deadly.has(step) || existsSync(mark)) return;
  writeFileSync(mark, "");
  process.kill(process.pid, "SIGKILL");
}

const run = command === "agent" ? runAgent : runController;
process.exit(await run(argv, { reached }));

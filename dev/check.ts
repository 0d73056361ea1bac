/** The command `npm run check`: everything that can be told without running the program. */
import { fileURLToPath } from "node:url";

import { run } from "./controlplane/run.ts";

export interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

export const CHECKS: readonly Check[] = [
  { name: "format", command: ["oxfmt", "--check"] },
  { name: "lint", command: ["oxlint", "--deny-warnings"] },
  { name: "types", command: ["tsc", "--noEmit"] },
  { name: "unused code", command: ["knip"] },
  {
    name: "import ranks",
    command: ["vitest", "run", "--project", "unit", "test/unit/architecture.test.ts"],
  },
  { name: "generated files", command: ["node", "dev/generate-crds.ts", "--check"] },
];

/** Runs all checks, one after the other, and says what each found; gives how many failed. */
export async function runChecks(): Promise<number> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  let failed = 0;
  for (const { name, command } of CHECKS) {
    const [program, ...args] = command;
    process.chdir(root);
    const { code, stdout, stderr } = await run(program, args, { env: process.env });
    process.stdout.write(`${code === 0 ? "ok    " : "FAILED"} ${name}\n`);
    if (code === 0) continue;
    failed += 1;
    process.stdout.write(stdout + stderr);
  }
  return failed;
}

if (import.meta.main) process.exitCode = (await runChecks()) === 0 ? 0 : 1;

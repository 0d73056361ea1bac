/** The command `npm test`: the checks, then every test. Closes with the line `N passed, N failed`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CHECKS, runChecks } from "../dev/check.ts";

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

async function runTests(): Promise<Counts> {
  const dir = await mkdtemp(join(tmpdir(), "steward-test-"));
  try {
    const report = join(dir, "report.json");
    const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const child = spawn("vitest", [...args, ...process.argv.slice(2)], { stdio: "inherit" });
    const [code] = (await once(child, "exit")) as [number | null];
    const counts = countsOf(await readFile(report, "utf8").catch(() => "{}"));
    // An error outside any test, or no test at all, is a failure too.
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function countsOf(report: string): Counts {
  const { numPassedTests = 0, numTotalTests = 1 } = JSON.parse(report) as {
    numPassedTests?: number;
    numTotalTests?: number;
  };
  // A test that did not run counts as failed: none of ours may be skipped.
  return { passed: numPassedTests, failed: numTotalTests - numPassedTests };
}

const failedChecks = await runChecks();
const tests = await runTests();
const passed = CHECKS.length - failedChecks + tests.passed;
const failed = failedChecks + tests.failed;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

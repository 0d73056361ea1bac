/**
 * The command `npm run bugbank`: puts each bug of the bank into a scratch copy of the repository and runs
 * the tests that are to catch it; `npm run bugbank -- session` those whose names have "session" in them.
 * Closes with the line `N of N caught`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { BUGS } from "./bugs.ts";
import { withBug, type Bug } from "./edit.ts";
import { failedTests } from "./failed-tests.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const LEFT_OUT: ReadonlySet<string> = new Set([".git", "node_modules"]);
const REPORT = "bugbank-report.json";

function isWanted({ name }: Bug): boolean {
  const wanted = process.argv.slice(2);
  return wanted.length === 0 || wanted.some((part) => name.includes(part));
}

function isToBeCopied(source: string): boolean {
  return !LEFT_OUT.has(basename(source));
}

/** A copy of the repository, as it is now, that shares its installed packages. */
async function scratchCopy(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "steward-bugbank-"));
  await cp(root, dir, { recursive: true, filter: isToBeCopied });
  await symlink(join(root, "node_modules"), join(dir, "node_modules"));
  return dir;
}

interface TestRun {
  readonly passed: boolean;
  /** Names of tests that failed. None although it did not pass: the tests could not be run. */
  readonly failed: readonly string[];
  readonly output: string;
}

async function runTests(dir: string, files: readonly string[]): Promise<TestRun> {
  const report = join(dir, REPORT);
  await rm(report, { force: true });
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${report}`];
  const args = ["run", "--no-color", "--bail=1", ...reporters, ...files];
  const child = spawn("vitest", args, { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
  const [[code], ...output] = await Promise.all([
    once(child, "close") as Promise<[number | null]>,
    text(child.stdout),
    text(child.stderr),
  ]);
  const passed = code === 0;
  const failed = passed ? [] : failedTests(await readFile(report, "utf8").catch(() => ""));
  return { passed, failed, output: output.join("") };
}

/** Without a bug they have to pass: a test that fails anyway catches nothing. */
async function expectSound(dir: string, bugs: readonly Bug[]): Promise<void> {
  const files = [...new Set(bugs.flatMap(({ caughtBy }) => caughtBy))];
  process.stdout.write(`${bugs.length} bugs; first their ${files.length} test files without any\n`);
  const { passed, output } = await runTests(dir, files);
  if (!passed) throw new Error(`they do not pass without any bug:\n${output}`);
}

/** The name of a test that fails because of the bug; undefined if none does. */
async function catcher(dir: string, bug: Bug): Promise<string | undefined> {
  const path = join(dir, bug.file);
  const sound = await readFile(path, "utf8");
  await writeFile(path, withBug(sound, bug));
  try {
    const { passed, failed, output } = await runTests(dir, bug.caughtBy);
    // It keeps the tests from running, which is no bug that anybody would have to find.
    if (!passed && failed.length === 0) process.stdout.write(output);
    return failed[0];
  } finally {
    await writeFile(path, sound);
  }
}

const bugs = BUGS.filter(isWanted);
const dir = await scratchCopy();
let caught = 0;
try {
  await expectSound(dir, bugs);
  for (const bug of bugs) {
    const by = await catcher(dir, bug);
    if (by !== undefined) caught += 1;
    const verdict = by === undefined ? "MISSED" : "caught";
    process.stdout.write(`${verdict}  ${bug.name}${by === undefined ? "" : `  <- ${by}`}\n`);
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}
process.stdout.write(`${caught} of ${bugs.length} caught\n`);
process.exitCode = caught === bugs.length ? 0 : 1;

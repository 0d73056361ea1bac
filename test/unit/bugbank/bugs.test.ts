import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { BUGS } from "../../bugbank/bugs.ts";
import { withBug, type Bug } from "../../bugbank/edit.ts";
import { failedTests } from "../../bugbank/failed-tests.ts";

const ROOT = new URL("../../../", import.meta.url);

describe("the bank of bugs", () => {
  test("has enough of them, each under a name of its own", () => {
    expect(BUGS.length).toBeGreaterThanOrEqual(14);
    expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
  });

  test.each(BUGS)("$name: it can still be put in, and changes the file", (bug) => {
    const text = readFileSync(new URL(bug.file, ROOT), "utf8");
    expect(withBug(text, bug)).not.toBe(text);
  });

  test.each(BUGS)("$name: there is a test to catch it", ({ caughtBy }) => {
    expect(caughtBy.length).toBeGreaterThan(0);
    expect(caughtBy.filter((file) => !existsSync(new URL(file, ROOT)))).toEqual([]);
  });
});

describe("a bug is put in", () => {
  const bug: Bug = { name: "n", file: "f.ts", sound: "b", broken: "$&", caughtBy: [] };

  test("where its passage is, and as it stands", () => {
    expect(withBug("abc", bug)).toBe("a$&c");
  });

  test.each([
    ["ac", "0 times"],
    ["abcb", "2 times"],
  ])("into %s: not at all, since its passage is there %s", (text, times) => {
    expect(() => withBug(text, bug)).toThrow(times);
  });
});

test("a bug is caught by tests that fail, and not by a file that cannot be loaded", () => {
  const passed = { status: "passed", fullName: "one" };
  const failed = { status: "failed", fullName: "other" };
  const report = {
    testResults: [{ assertionResults: [] }, { assertionResults: [passed, failed] }],
  };
  expect(failedTests(JSON.stringify(report))).toEqual(["other"]);
  expect(failedTests("")).toEqual([]);
});

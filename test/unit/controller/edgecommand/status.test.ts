import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { OUTCOMES } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import { jsonBytes, MAX_INLINE_BYTES } from "../../../../src/protocol/output.ts";
import { OUTCOMES as WIRE_OUTCOMES, type RunReport } from "../../../../src/protocol/run.ts";
import { edgeCommand, observed, runReport, runResult } from "../../../support/builders.ts";

const command = edgeCommand();

function statusAfter(report: RunReport): NonNullable<ReturnType<typeof plan>["writeStatus"]> {
  const { writeStatus } = plan(observed(command, { reports: [report] }));
  if (writeStatus === undefined) throw new Error("nothing was written");
  return writeStatus;
}

test("every outcome that a node may tell of is one that a status may have", () => {
  expect([...WIRE_OUTCOMES].toSorted()).toEqual([...OUTCOMES].toSorted());
});

describe("the conditions of each end are what kstatus makes of it", () => {
  test.each([
    ["Succeeded", { Ready: "True", Stalled: undefined, Succeeded: "True" }],
    ["Failed", { Ready: "False", Stalled: "True", Succeeded: "False" }],
    ["TimedOut", { Ready: "False", Stalled: "True", Succeeded: "False" }],
    ["Rejected", { Ready: "False", Stalled: "True", Succeeded: "False" }],
    ["Interrupted", { Ready: "False", Stalled: "True", Succeeded: "False" }],
    ["Expired", { Ready: "False", Stalled: "True", Succeeded: "False" }],
    ["Cancelled", { Ready: "True", Stalled: undefined, Succeeded: "False" }],
  ] as const)("%s", (outcome, wanted) => {
    const status = statusAfter(
      runReport(command, { result: runResult({ outcome, started: "False" }) }),
    );
    const conditions = Object.fromEntries(
      (status.conditions ?? []).map(({ type, status: is }) => [type, is]),
    );
    expect(status.phase).toBe(outcome);
    expect(conditions).toEqual({
      Accepted: "True",
      Completed: "True",
      Ready: wanted.Ready,
      Succeeded: wanted.Succeeded,
      ...(wanted.Stalled === undefined ? {} : { Stalled: wanted.Stalled }),
    });
    const generations = status.conditions?.map(({ observedGeneration }) => observedGeneration);
    expect(new Set(generations)).toEqual(new Set([1]));
  });
});

describe("the summary is one line", () => {
  test.each([
    [{}, "exit 0: up 3 days"],
    [
      { outcome: "Failed", exitCode: 3, stderr: stream("a\nno such disk\n\n") },
      "exit 3: no such disk",
    ],
    [
      { outcome: "Failed", exitCode: 3, stderr: stream(""), stdout: stream("said\n") },
      "exit 3: said",
    ],
    [
      { outcome: "TimedOut", stdout: stream("calibrating\n"), stderr: stream("") },
      "timed out: calibrating",
    ],
    [{ stdout: stream(""), stderr: stream("") }, "exit 0"],
  ] as const)("%o gives %s", (overrides, summary) => {
    expect(statusAfter(runReport(command, { result: runResult(overrides) })).run?.summary).toBe(
      summary,
    );
  });

  test("of a signal names it", () => {
    const { exitCode: _, ...result } = runResult({ outcome: "Failed", signal: "SIGKILL" });
    expect(statusAfter(runReport(command, { result })).run?.summary).toMatch(/^SIGKILL/);
  });
});

function stream(text: string): { text: string; bytes: number; sha256: string; truncated: boolean } {
  return { text, bytes: text.length, sha256: "0".repeat(64), truncated: false };
}

/** Texts that are as large as a node may send, of the characters that cost most. */
const largest = fc
  .array(fc.constantFrom('"', "\\", "\n", "\t", "\ufffd", "😀", "a", "\u2028"), {
    maxLength: 6_000,
  })
  .map((characters) => {
    let text = "";
    for (const each of characters) {
      if (jsonBytes(text + each) > MAX_INLINE_BYTES) break;
      text += each;
    }
    return text;
  });

test("a status stays below 16 KiB whatever the node says", () => {
  const history = Array.from({ length: 5 }, (_, index) => ({
    declared: 1_000_000 + index,
    revision: `v1:${"f".repeat(32)}`,
    outcome: "Interrupted" as const,
    started: "Unknown" as const,
    exitCode: 255,
    finishedAt: "2026-11-24T06:00:00.000Z",
    reason: "R".repeat(64),
  }));
  fc.assert(
    fc.property(largest, largest, fc.string({ maxLength: 1024 }), (stdout, stderr, message) => {
      const result = runResult({
        outcome: "Failed",
        stdout: stream(stdout),
        stderr: stream(stderr),
        reason: "R".repeat(64),
        message,
      });
      const { writeStatus } = plan(
        observed(edgeCommand({ status: { ...command.status, history } }), {
          reports: [runReport(command, { result })],
        }),
      );
      expect(Buffer.byteLength(JSON.stringify(writeStatus))).toBeLessThan(16 * 1024);
    }),
    { numRuns: 50 },
  );
});

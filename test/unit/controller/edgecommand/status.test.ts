import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { OUTCOMES } from "../../../../src/api/v1alpha1/edgecommand-status.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import { jsonBytes, MAX_INLINE_BYTES } from "../../../../src/protocol/output.ts";
import { OUTCOMES as WIRE_OUTCOMES, type RunReport } from "../../../../src/protocol/run.ts";
import { edgeCommand, observed, runReport, runResult } from "../../../support/builders.ts";
import { after, answered, late } from "./planning.ts";

const command = edgeCommand();

function statusAfter(report: RunReport): NonNullable<ReturnType<typeof plan>["writeStatus"]> {
  const { writeStatus } = plan(observed(command, { reports: [report] }));
  if (writeStatus === undefined) throw new Error("nothing was written");
  return writeStatus;
}

test("a status may have every outcome that a node may tell of, and what is said without it", () => {
  expect([...WIRE_OUTCOMES, "Skipped", "Unknown"].toSorted()).toEqual([...OUTCOMES].toSorted());
});

describe("a run that its node has accepted", () => {
  test.each([
    ["Accepted", 0, "Queued", "The node has it; it waits for its turn."],
    ["Accepted", 2, "BackOff", "Attempt 2 failed; the node makes the next one after a pause."],
    ["Running", 1, "Running", "The node runs it."],
  ] as const)("and is %s after %i attempts says so once", (state, attempts, reason, message) => {
    const exchange = answered(runReport(command, { state, attempts }));
    const shown = after(command, { exchange, ...late });
    expect(shown.status).toMatchObject({ phase: state, run: { reason, message, attempts } });
    expect(plan(observed(shown, { exchange, ...late })).writeStatus).toBeUndefined();
  });

  test("has started, also in a pause after its first attempt", () => {
    const startedAt = "2026-11-24T06:00:00.110Z";
    const report = runReport(command, { state: "Accepted", attempts: 1, startedAt });
    const { run } = after(command, { exchange: answered(report), ...late }).status;
    expect(run).toMatchObject({ started: "True", startedAt });
  });

  test("keeps the number of its attempts at its end", () => {
    expect(statusAfter(runReport(command, { attempts: 3 })).run?.attempts).toBe(3);
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
    rerun: "r".repeat(63),
    runID: `55555555-5555-4555-8555-55555555555${index}`,
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
      const full = edgeCommand({
        generation: 1_000_000_000,
        spec: { rerun: "r".repeat(63) },
        status: { ...command.status, history },
      });
      const report = runReport(full, { result, attempts: 101 });
      const { writeStatus } = plan(observed(full, { reports: [report] }));
      expect(Buffer.byteLength(JSON.stringify(writeStatus))).toBeLessThan(16 * 1024);
    }),
    { numRuns: 50 },
  );
});

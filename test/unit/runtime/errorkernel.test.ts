import { describe, expect, test } from "vitest";
import {
  ErrorKernel,
  FatalError,
  type ProcessError,
  type Severity,
  type Verdict,
} from "../../../src/runtime/errorkernel.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

interface Told {
  readonly logger: RecordingLogger;
  readonly reports: [ProcessError, Verdict][];
  readonly shutdowns: ProcessError[];
  readonly kernel: ErrorKernel;
}

function kernel(): Told {
  const logger = new RecordingLogger();
  const reports: [ProcessError, Verdict][] = [];
  const shutdowns: ProcessError[] = [];
  const made = new ErrorKernel({
    logger,
    onReport: (given, verdict) => reports.push([given, verdict]),
    onShutdown: (given) => shutdowns.push(given),
  });
  return { logger, reports, shutdowns, kernel: made };
}

function report(severity: Severity, thrown: unknown = new Error("it broke")): ProcessError {
  return { process: "method/exec", severity, thrown };
}

describe("the error kernel", () => {
  test.each<[Severity, Verdict, "warn" | "error"]>([
    ["warning", "continue", "warn"],
    ["error", "restart", "error"],
    ["fatal", "shutdown", "error"],
  ])("answers %s with %s and logs it as %s", (severity, verdict, level) => {
    const told = kernel();
    const given = report(severity);
    expect(told.kernel.report(given)).toBe(verdict);
    expect(told.logger.lines).toHaveLength(1);
    expect(told.logger.lines[0]).toMatchObject({
      level,
      message: "it broke",
      fields: { process: "method/exec", severity, verdict },
    });
    expect(told.reports).toEqual([[given, verdict]]);
  });

  test("logs the error itself with its stack, but for a warning", () => {
    const told = kernel();
    const thrown = new Error("it broke");
    told.kernel.report(report("error", thrown));
    told.kernel.report(report("warning", thrown));
    expect(told.logger.lines[0]?.fields).toHaveProperty("err", thrown);
    expect(told.logger.lines[1]?.fields).not.toHaveProperty("err");
  });

  test("logs before it tells anybody", () => {
    const logger = new RecordingLogger();
    const linesAtReport: number[] = [];
    const told = new ErrorKernel({
      logger,
      onReport: () => linesAtReport.push(logger.lines.length),
      onShutdown: () => linesAtReport.push(logger.lines.length),
    });
    told.report(report("fatal"));
    expect(linesAtReport).toEqual([1, 1]);
  });

  test("shuts down once, at the first fatal error, and still takes reports after it", () => {
    const told = kernel();
    const first = report("fatal", new Error("first"));
    told.kernel.report(report("error"));
    expect(told.shutdowns).toEqual([]);
    for (const given of [first, report("fatal"), report("error")]) told.kernel.report(given);
    expect(told.shutdowns).toEqual([first]);
    expect(told.reports.map(([, verdict]) => verdict)).toEqual([
      "restart",
      "shutdown",
      "shutdown",
      "restart",
    ]);
  });

  test("needs nobody to be told of reports", () => {
    const quiet = new ErrorKernel({ logger: new RecordingLogger(), onShutdown: () => {} });
    expect(quiet.report(report("error"))).toBe("restart");
  });

  test.each([["a string"], [undefined], [null], [Object.create(null)]])(
    "survives that %j was thrown",
    (thrown) => {
      expect(kernel().kernel.report(report("error", thrown))).toBe("restart");
    },
  );
});

test("a fatal error is known by its name and keeps its cause", () => {
  const cause = new Error("disk full");
  const fatal = new FatalError("the journal does not commit", { cause });
  expect(fatal).toMatchObject({ name: "FatalError", cause });
});

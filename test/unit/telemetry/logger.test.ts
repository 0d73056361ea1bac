import { describe, expect, test } from "vitest";
import { createLogger, type LogLevel } from "../../../src/telemetry/logger.ts";

function captured(level: LogLevel = "debug", version?: string) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const base = { level, name: "agent", destination };
  const logger = createLogger(version === undefined ? base : { ...base, version });
  const records = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line));
  return { logger, lines, records };
}

describe("the logger", () => {
  test("writes one JSON object a line, with the level as a word and the time in ISO 8601", () => {
    const { logger, lines, records } = captured("debug", "1.2.3");
    logger.info({ node: "ship1" }, "two\nlines");
    expect(lines).toHaveLength(1);
    expect(lines[0]?.indexOf("\n")).toBe((lines[0]?.length ?? 0) - 1);
    expect(records()[0]).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      program: "agent",
      version: "1.2.3",
      node: "ship1",
      msg: "two\nlines",
    });
  });

  test("says nothing below its level", () => {
    const { logger, records } = captured("warn");
    logger.debug({}, "a");
    logger.info({}, "b");
    logger.warn({}, "c");
    logger.error({}, "d");
    expect(records().map(({ msg }) => msg)).toEqual(["c", "d"]);
  });

  test("gives what a child has to all lines of the child", () => {
    const { logger, records } = captured();
    logger.child({ command: "default/uptime" }).warn({ name: "uptime" }, "x");
    expect(records()[0]).toMatchObject({
      program: "agent",
      command: "default/uptime",
      name: "uptime",
    });
  });

  test("writes the causes of an error, to a depth that ends", () => {
    const { logger, records } = captured();
    const circular = new Error("circular");
    circular.cause = circular;
    logger.error({ err: new TypeError("outer", { cause: circular }) }, "x");
    const text = JSON.stringify(records()[0]?.["err"]);
    expect(records()[0]).toMatchObject({
      err: { type: "TypeError", message: "outer", cause: { type: "Error", message: "circular" } },
    });
    expect(text.match(/"message":"circular"/g)).toHaveLength(5);
  });

  test("writes of an error nothing but what describes it", () => {
    const { logger, lines, records } = captured();
    const error = Object.assign(new Error("refused"), {
      code: "ECONNREFUSED",
      request: { headers: { authorization: "Bearer hunter2" } },
    });
    logger.error({ err: error }, "x");
    expect(records()[0]).toMatchObject({ err: { message: "refused", code: "ECONNREFUSED" } });
    expect(lines.join()).not.toContain("hunter2");
  });

  test("writes the errors of an AggregateError", () => {
    const { logger, records } = captured();
    logger.error({ err: new AggregateError([new Error("a"), new Error("b")], "both") }, "x");
    expect(records()[0]).toMatchObject({
      err: { message: "both", errors: [{ message: "a" }, { message: "b" }] },
    });
  });

  test.each([
    { name: "a string", thrown: "plain", want: { type: "string", message: "plain" } },
    { name: "nothing", thrown: undefined, want: undefined },
    { name: "null", thrown: null, want: { type: "object", message: "null" } },
    {
      name: "an object without a text",
      thrown: Object.create(null),
      want: { type: "object", message: "something that has no text" },
    },
  ])("survives $name thrown in place of an error", ({ thrown, want }) => {
    const { logger, records } = captured();
    logger.error({ err: thrown }, "x");
    expect(records()[0]?.["err"]).toEqual(want);
  });
});

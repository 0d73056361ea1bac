import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { errorMessage, isAbortError } from "../../../src/runtime/errors.ts";

function ownCause(): Error {
  const outer = new Error("outer");
  outer.cause = new Error("inner", { cause: outer });
  return outer;
}

describe("errorMessage", () => {
  test.each([
    ["an error", new Error("it broke"), "it broke"],
    [
      "causes",
      new Error("outer", { cause: new Error("inner", { cause: new Error("root") }) }),
      "outer: inner: root",
    ],
    [
      "a cause that the message has already",
      new Error("outer (inner)", { cause: new Error("inner") }),
      "outer (inner)",
    ],
    ["only a cause", new Error("", { cause: new Error("inner") }), "inner"],
    ["a cause that is no error", new Error("outer", { cause: 42 }), "outer: 42"],
    ["an error without a message", new Error(), ""],
    [
      "Node's word that no address answers",
      new AggregateError([new Error("ECONNREFUSED ::1"), new Error("ECONNREFUSED 127.0.0.1")]),
      "ECONNREFUSED ::1; ECONNREFUSED 127.0.0.1",
    ],
    ["several errors with a message", new AggregateError([new Error("one")], "all"), "all"],
    ["a message that is no text", Object.assign(new Error("x"), { message: 42 }), "42"],
    ["a string", "plain", "plain"],
    ["undefined", undefined, "undefined"],
    ["null", null, "null"],
    ["a symbol", Symbol("sign"), "Symbol(sign)"],
    ["an object without a prototype", Object.create(null), "something that has no text"],
    ["an error that is in the end its own cause", ownCause(), /^outer: inner: outer/],
  ])("gives the text of %s", (_, thrown, want) => {
    expect(errorMessage(thrown)).toEqual(
      want instanceof RegExp ? expect.stringMatching(want) : want,
    );
  });

  test("never throws", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (thrown) => {
        expect(errorMessage(thrown)).toBeTypeOf("string");
        expect(errorMessage(new Error("x", { cause: thrown }))).toMatch(/^x/);
      }),
    );
  });
});

describe("isAbortError", () => {
  const controller = new AbortController();
  controller.abort();

  test.each([
    ["the reason of an aborted signal", controller.signal.reason, true],
    ["an error of that name", Object.assign(new Error("x"), { name: "AbortError" }), true],
    ["another error", new Error("AbortError"), false],
    ["a time-out", new DOMException("late", "TimeoutError"), false],
    ["something that is no error", { name: "AbortError" }, false],
    ["nothing", undefined, false],
  ])("knows %s", (_, thrown, want) => {
    expect(isAbortError(thrown)).toBe(want);
  });
});

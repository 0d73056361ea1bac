import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Expression, ExpressionError } from "../../../src/agent/expression.ts";

/** Letters of which expressions and texts are made, so that they have something to do with each other. */
const letter = fc.constantFrom("a", "b", "c", "é", "\u{1f600}");
const text = fc.string({ unit: letter, maxLength: 12 });

/** What JavaScript understands as well. */
const source = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    letter,
    fc.constantFrom(".", "[ab]", "[^a]", "[a-c]", "\\w", "\\W", "[\\w-]", "\\."),
    fc.tuple(tie("node"), tie("node")).map((parts) => parts.join("")),
    fc.tuple(tie("node"), tie("node")).map((parts) => `(${parts.join("|")})`),
    fc
      .tuple(tie("node"), fc.constantFrom("*", "+", "?", "{2}", "{0,2}", "{1,}"))
      .map(([part, range]) => `(${part})${range}`),
  ),
})).node;

test("an expression matches what JavaScript's matches as a whole", () => {
  fc.assert(
    fc.property(source, fc.array(text, { minLength: 1, maxLength: 10 }), (given, texts) => {
      const expression = new Expression(given);
      const reference = new RegExp(`^(?:${given})$`, "su");
      for (const one of texts) expect(expression.matches(one)).toBe(reference.test(one));
    }),
    { numRuns: 600 },
  );
});

test.each([
  ["-[a-z]+", "-abc", true],
  ["-[a-z]+", "-abc\n", false],
  ["-[a-z]+", "x-abc", false],
  ["", "", true],
  ["", "a", false],
  ["a|b", "b", true],
  ["(a|b)c", "bc", true],
  ["a.c", "a\nc", true],
  ["a{3}", "aaa", true],
  ["a{2,3}", "a", false],
  ["[]x]+", "]x", true],
  ["[a-]", "-", true],
  ["[\\]]", "]", true],
  ["\\d+\\.\\d+", "1.25", true],
  ["\\{\\}", "{}", true],
  ["(a*)*", "aaaa", true],
  ["(|a)+b", "aab", true],
])("%j on %j: %j", (given, on, want) => {
  expect(new Expression(given).matches(on)).toBe(want);
});

describe("what makes JavaScript's take for ever", () => {
  test.each(["(a*)*b", "(a|a)*b", "(a|aa)+b", "a*a*a*a*a*b", "(a?){100}b", "(.*)(.*)(.*)b"])(
    "%s is a matter of the text's length",
    (given) => {
      expect(new Expression(given).matches("a".repeat(20_000))).toBe(false);
    },
  );
});

test.each([
  ["(", "a ( without its )"],
  ["a)", "a ) without its ("],
  ["[a", "a [ without its ]"],
  ["[]", "a [ without its ]"],
  ["*a", "nothing before it"],
  ["a**", "a repetition of a repetition"],
  ["a{", "no {n}"],
  ["a{x}", "no {n}"],
  ["a{3,2}", "m below n"],
  ["a{256}", "more than 255"],
  ["(a{200}){200}", "too large"],
  ["^a", "matches the whole text anyway"],
  ["a$", "matches the whole text anyway"],
  ["(?=a)", "a group is just ( )"],
  ["(a)\\1", "means nothing"],
  ["\\bword", "means nothing"],
  ["\\", "a \\ at the end"],
  ["[z-a]", "has no order"],
  ["[a-\\d]", "no order"],
  [`${"(".repeat(60)}a`, "too many ("],
])("%j is refused: %s", (given, why) => {
  const making = (): Expression => new Expression(given);
  expect(making).toThrow(ExpressionError);
  expect(making).toThrow(why);
});

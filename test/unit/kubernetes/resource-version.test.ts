import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isNewerVersion } from "../../../src/kubernetes/resource-version.ts";

test("versions compare as integers of any size", () => {
  const positive = fc.bigInt({ min: 1n, max: 2n ** 128n });
  fc.assert(
    fc.property(positive, positive, (left, right) => {
      expect(isNewerVersion(String(left), String(right))).toBe(left > right);
    }),
  );
});

test.each([
  ["", "1"],
  ["2", ""],
  ["02", "1"],
  ["0", "1"],
  ["abc", "abb"],
  ["-2", "1"],
  ["2.5", "1"],
])("%j is not newer than %j: they are not both comparable", (left, right) => {
  expect(isNewerVersion(left, right)).toBe(false);
});

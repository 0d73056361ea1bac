import { expect, test } from "vitest";
import { isVariableName, launchScript } from "../../../src/agent/launch-script.ts";

test("a value is quoted so that a shell takes it as it stands", () => {
  const lines = launchScript({ A: "it's $HOME\n`id`", B: "" }, "/it's").split("command export ");
  expect(lines[0]).toMatch(/^cd -P '\/it'\\''s' .*\nPWD='\/it'\\''s'\n/);
  expect(lines.slice(1)).toEqual(["A='it'\\''s $HOME\n`id`'\n", expect.stringMatching(/^B=''\n/)]);
});

test("what is no name of a variable never becomes part of the script", () => {
  expect(launchScript({ "A;reboot": "1", "": "2", "B C": "3", "1D": "4" }, "/")).not.toMatch(
    /export/,
  );
});

test.each(["A", "_", "a_1", "PATH"])("%j names a variable", (name) => {
  expect(isVariableName(name)).toBe(true);
});

test.each(["", "1A", "A-B", "A=B", "A B", "A\n", "Ä", "$(id)"])("%j names none", (name) => {
  expect(isVariableName(name)).toBe(false);
});

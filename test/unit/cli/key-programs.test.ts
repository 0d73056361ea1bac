import { describe, expect, test } from "vitest";

import { bootstrapProblem, bootstrapProgram } from "../../../src/cli/bootstrap-options.ts";
import { enrollProgram } from "../../../src/cli/enroll-options.ts";
import { parseOptions, type ParsedOptions } from "../../../src/cli/options.ts";
import type { OptionTable, Program } from "../../../src/cli/program.ts";
import { rotateCommandKeyProgram } from "../../../src/cli/rotate-command-key-options.ts";

const noFiles = (path: string): string => {
  throw new Error(`ENOENT: ${path}`);
};
const parse = <O extends OptionTable>(program: Program<O>, ...argv: string[]): ParsedOptions<O> =>
  parseOptions(program, argv, {}, noFiles);
const enroll = (...argv: string[]): ParsedOptions<typeof enrollProgram.options> =>
  parse(enrollProgram, ...argv);

describe("an option that a bare word or a letter stands for", () => {
  test.each([
    { argv: ["ship1", "-n", "fleet"] },
    { argv: ["-n", "fleet", "ship1"] },
    { argv: ["--namespace", "fleet", "ship1", "--ttl", "2h"] },
    { argv: ["--node", "ship1", "-n", "fleet"] },
    { argv: ["--node=ship1", "--namespace=fleet"] },
  ])("is read from $argv", ({ argv }) => {
    expect(enroll(...argv)).toMatchObject({ options: { node: "ship1", namespace: "fleet" } });
  });

  test.each([
    { argv: [], problem: "--node is required" },
    { argv: ["ship1", "ship2"], problem: '"ship2": unexpected argument' },
    { argv: ["ship1", "--node", "ship2"], problem: "--node: given more than once" },
    {
      argv: ["ship1", "-n", "a", "--namespace", "b"],
      problem: "--namespace: given more than once",
    },
    { argv: ["ship1", "-n"], problem: "-n: the value is missing" },
    { argv: ["ship1", "-x"], problem: "-x: unknown flag" },
    { argv: ["Ship.One"], problem: 'the argument node: got "Ship.One", expected at most 63' },
  ])("is refused in $argv: $problem", ({ argv, problem }) => {
    expect(enroll(...argv)).toMatchObject({
      kind: "error",
      text: expect.stringContaining(problem),
    });
  });

  test("is in the help", () => {
    const { text } = helpOf(enrollProgram);
    expect(text).toContain("Usage: steward enroll <node> [options]\n");
    expect(text).toContain("  -n, --namespace <name> ");
  });

  test("exists in the program", () => {
    for (const { options, positional, letters = {} } of [enrollProgram]) {
      const names = [positional, ...Object.values(letters)];
      expect(names.filter((name) => name !== undefined && !(name in options))).toEqual([]);
    }
  });
});

test.each<{ name: string; program: Program }>([
  { name: "bootstrap", program: bootstrapProgram },
  { name: "enroll", program: enrollProgram },
  { name: "rotate-command-key", program: rotateCommandKeyProgram },
])("no line of the help of $name is longer than 100 columns", ({ program }) => {
  expect(
    helpOf(program)
      .text.split("\n")
      .filter((line) => line.length > 100),
  ).toEqual([]);
});

const named = (names: string): ParsedOptions<typeof bootstrapProgram.options> =>
  parse(bootstrapProgram, "--server-name", names);

function helpOf(program: Program): { readonly text: string } {
  const help = parse(program, "--help");
  return { text: help.kind === "help" ? help.text : "" };
}

describe("the addresses for nodes", () => {
  test.each([
    "nats://nats.example.com:4222",
    "tls://me:hunter2@nats.example.com",
    "tls://nats.example.com,http://a",
    "",
  ])("are not %s: they are public, and nodes must know who answers", (urls) => {
    const parsed = parse(bootstrapProgram, `--nats-url=${urls}`);
    expect(parsed).toMatchObject({ kind: "error", text: expect.stringContaining("tls://host") });
    expect(JSON.stringify(parsed)).not.toContain("hunter2");
  });
});

describe("the names of the broker", () => {
  test("are DNS names, also with a wildcard, and addresses", () => {
    const names = ["localhost", "nats.example.com", "*.example.com", "10.0.0.1", "fd00::1"];
    expect(named(names.join(", "))).toMatchObject({ options: { serverName: names } });
  });

  test.each(["A.example.com", "a_b", "-a", "a..b", "a.", "*", "a.*.b", "tls://a", "a:4222", ""])(
    "are not %j",
    (name) => {
      expect(named(`a,${name}`)).toMatchObject({
        kind: "error",
        text: expect.stringContaining("expected DNS names in lower case or IP addresses"),
      });
    },
  );
});

describe("where key sets go, and an authority that is given", () => {
  const [caCert, caKey] = ["my.crt", "my.key"];
  const none = { outDir: undefined, namespace: undefined, caCert: undefined, caKey: undefined };
  const directory = { ...none, outDir: "keys" };

  test.each([
    { given: none, problem: "give one of --out-dir and --namespace" },
    { given: { ...directory, namespace: "a" }, problem: "give one of" },
    { given: { ...directory, caCert }, problem: "--ca-cert and --ca-key go together" },
    { given: { ...directory, caKey }, problem: "--ca-cert and --ca-key go together" },
    { given: directory, problem: undefined },
    { given: { ...none, namespace: "a", caCert, caKey }, problem: undefined },
  ])("case %#: $problem", ({ given, problem }) => {
    const found = bootstrapProblem(given);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });
});

import { describe, expect, test } from "vitest";
import type { EdgeCommandSpec } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { inputObjects, inputsFrom } from "../../../../src/controller/edgecommand/inputs.ts";
import type { ObjectRead } from "../../../../src/controller/ports.ts";
import { edgeCommand } from "../../../support/builders.ts";

const LOGIN = { name: "login", key: "token", optional: false };
const SECRET = { secretKeyRef: LOGIN };
const CONFIG = { configMapKeyRef: { ...LOGIN, name: "settings" } };
const OPTIONAL = { secretKeyRef: { ...LOGIN, optional: true } };

function variable(
  name: string,
  valueFrom: EdgeCommandSpec["env"][number]["valueFrom"],
): EdgeCommandSpec["env"][number] {
  return { name, value: "", valueFrom };
}

function holding(value: string | Uint8Array): ObjectRead {
  return new Map([["token", Buffer.from(value)]]);
}

function inputs(
  spec: Partial<EdgeCommandSpec>,
  reads: Readonly<Record<string, ObjectRead>>,
): ReturnType<typeof inputsFrom> {
  return inputsFrom(edgeCommand({ spec }), new Map(Object.entries(reads)));
}

test("each object that is named is read once, and plain variables name none", () => {
  const env = [
    { name: "LANG", value: "C" },
    variable("A", SECRET),
    variable("B", { secretKeyRef: { ...LOGIN, key: "other" } }),
    variable("C", CONFIG),
  ];
  const { spec } = edgeCommand({ spec: { env, stdinFrom: SECRET } });
  expect(inputObjects(spec).map(({ kind, name }) => `${kind}/${name}`)).toEqual([
    "Secret/login",
    "ConfigMap/settings",
  ]);
  expect(inputObjects(edgeCommand().spec)).toEqual([]);
});

test("variables and stdin get the values of their keys", () => {
  const env = [{ name: "LANG", value: "C" }, variable("A", SECRET), variable("B", CONFIG)];
  const reads = { "Secret/login": holding("\ufeffs3cret\n"), "ConfigMap/settings": holding("é") };
  expect(inputs({ env, stdinFrom: SECRET }, reads)).toEqual({
    env: [
      { name: "A", value: "\ufeffs3cret\n" },
      { name: "B", value: "é", isPublic: true },
    ],
    stdin: { value: "\ufeffs3cret\n" },
  });
});

describe("what is optional is left out", () => {
  test.each([
    ["if its object is not there", "notFound" as const],
    ["if its key is not there", new Map()],
  ])("%s", (_, read) => {
    const env = [variable("A", OPTIONAL)];
    expect(inputs({ env, stdinFrom: OPTIONAL }, { "Secret/login": read })).toEqual({ env: [] });
  });

  test("and not if nobody can tell whether it is there", () => {
    const env = [variable("A", OPTIONAL)];
    expect(inputs({ env }, { "Secret/login": "forbidden" })).toMatchObject({
      reason: "InputForbidden",
    });
  });
});

describe("a command is held, with the reference and the way out and no value,", () => {
  const env = [variable("TOKEN", SECRET)];
  const settings = [variable("TOKEN", CONFIG)];

  interface Case {
    readonly when: string;
    readonly spec?: Partial<EdgeCommandSpec>;
    readonly read: ObjectRead;
    readonly reason: string;
    readonly message: RegExp;
  }
  const missing = { read: "notFound", reason: "SecretNotFound" } as const;
  const long = { reason: "InputTooLarge" } as const;
  const cases: Case[] = [
    { when: "there is no such Secret", ...missing, message: /There is no Secret "login"/ },
    { when: "it has no such key", ...missing, read: new Map(), message: /no such key.*TOKEN/ },
    {
      when: "there is no such ConfigMap",
      spec: { env: settings },
      read: "notFound",
      reason: "ConfigMapNotFound",
      message: /There is no ConfigMap "settings"/,
    },
    {
      when: "a right is missing",
      read: "forbidden",
      reason: "InputForbidden",
      message: /Role.*secrets.*get.*login/,
    },
    {
      when: "a variable is too long",
      ...long,
      read: holding("x".repeat(32_769)),
      message: /32768/,
    },
    {
      when: "stdin is too long",
      spec: { stdinFrom: SECRET },
      ...long,
      read: holding("x".repeat(65_537)),
      message: /65536/,
    },
    {
      when: "it is no text",
      read: holding(Uint8Array.of(0xff)),
      reason: "InputInvalid",
      message: /UTF-8.*base64/,
    },
    {
      when: "a variable has a NUL",
      read: holding("s3cr\0et"),
      reason: "InputInvalid",
      message: /NUL/,
    },
  ];

  test.each(cases)("if $when", ({ spec = { env }, read, reason, message }) => {
    const problem = inputs(spec, { "Secret/login": read, "ConfigMap/settings": read });
    expect(problem).toMatchObject({ reason });
    expect(problem).toHaveProperty("message", expect.stringMatching(message));
    expect(problem).toHaveProperty("message", expect.stringMatching(/"default"/));
    expect(JSON.stringify(problem)).not.toMatch(/s3cr|xxxx/);
  });

  test("if all of it together is too long", () => {
    const names = Array.from({ length: 8 }, (_, index) => `V${index}`);
    const reads = { "Secret/login": holding("x".repeat(30_000)) };
    expect(inputs({ env: names.map((name) => variable(name, SECRET)) }, reads)).toMatchObject({
      reason: "InputTooLarge",
    });
  });
});

test("stdin out of a ConfigMap is no secret", () => {
  const reads = { "ConfigMap/settings": holding("a") };
  expect(inputs({ stdinFrom: CONFIG }, reads)).toEqual({
    env: [],
    stdin: { value: "a", isPublic: true },
  });
});

test("stdin may have a NUL character", () => {
  const reads = { "Secret/login": holding("a\0b") };
  expect(inputs({ stdinFrom: SECRET }, reads)).toEqual({ env: [], stdin: { value: "a\0b" } });
});

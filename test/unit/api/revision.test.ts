import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { edgeCommandSpec, type EdgeCommandSpec } from "../../../src/api/v1alpha1/edgecommand.ts";
import { revisionOf, type RevisionInput } from "../../../src/api/v1alpha1/revision.ts";
import type { ValueSource } from "../../../src/api/v1alpha1/value-source.ts";
import { revision as revisionOnTheWire } from "../../../src/protocol/names.ts";

const fixture = z
  .object({
    comment: z.string(),
    vectors: z.array(z.object({ name: z.string(), spec: z.unknown(), revision: z.string() })),
  })
  .parse(
    JSON.parse(readFileSync(new URL("../../fixtures/api/revisions.json", import.meta.url), "utf8")),
  );

/** The revision of a spec as a person writes it, after the API server has filled in the defaults. */
function revisionOfWritten(spec: unknown): string {
  return revisionOf(edgeCommandSpec.parse(spec));
}

describe("a golden vector", () => {
  test.each(fixture.vectors)("of $name has not changed", ({ spec, revision }) => {
    expect(revisionOfWritten(spec)).toBe(revision);
  });

  test("has a revision that the wire takes", () => {
    for (const { revision } of fixture.vectors) {
      expect(revisionOnTheWire.safeParse(revision).success).toBe(true);
    }
  });
});

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,5}$/);
const reference = fc.record({
  name: fc.constantFrom("db", "db-1"),
  key: fc.constantFrom("user", "password"),
  optional: fc.boolean(),
});
const source: fc.Arbitrary<ValueSource> = fc.oneof(
  fc.record({ secretKeyRef: reference }),
  fc.record({ configMapKeyRef: reference }),
);
const value = fc.string({ unit: "binary", maxLength: 10 });
const inputs: fc.Arbitrary<RevisionInput> = fc.record({
  nodeName: fc.constantFrom("ship1", "ship2", "s"),
  method: fc.constantFrom("exec", "ping", "shellcommand"),
  args: fc.array(value, { maxLength: 4 }),
  env: fc.uniqueArray(
    fc.oneof(
      fc.record({ name, value }),
      fc.record({ name, value: fc.constant(""), valueFrom: source }),
    ),
    { maxLength: 5, selector: (variable) => variable.name },
  ),
  stdin: value,
  stdinFrom: fc.option(source, { nil: undefined }),
  runAs: fc.constantFrom(undefined, "root", "backup"),
  workingDir: value.map((path) => `/${path}`),
});

describe("the revision", () => {
  test("does not depend on the order of env", () => {
    fc.assert(
      fc.property(
        inputs.chain((input) =>
          fc.tuple(
            fc.constant(input),
            fc.shuffledSubarray(input.env, { minLength: input.env.length }),
          ),
        ),
        ([input, env]) => {
          expect(revisionOf({ ...input, env })).toBe(revisionOf(input));
        },
      ),
    );
  });

  test("depends on the order of args", () => {
    const written = { nodeName: "ship1", method: "exec" };
    expect(revisionOfWritten({ ...written, args: ["a", "b"] })).not.toBe(
      revisionOfWritten({ ...written, args: ["b", "a"] }),
    );
  });

  test("takes absent, empty and default for the same", () => {
    const written = { nodeName: "ship1", method: "exec" };
    const empty = {
      args: [],
      env: [],
      stdin: "",
      workingDir: "/",
      runAs: undefined,
      stdinFrom: undefined,
    };
    const want = revisionOfWritten(written);
    const fields = fc.subarray(Object.entries(empty));
    fc.assert(
      fc.property(fields, (some) => {
        expect(revisionOfWritten({ ...written, ...Object.fromEntries(some) })).toBe(want);
      }),
    );
    expect(revisionOfWritten({ ...written, env: [{ name: "A" }] })).toBe(
      revisionOfWritten({ ...written, env: [{ name: "A", value: "" }] }),
    );
  });

  test("is another one after any change of what is run", () => {
    fc.assert(
      fc.property(inputs, inputs, fc.subarray(keysOf(), { minLength: 1 }), (one, two, keys) => {
        const changes = Object.fromEntries(keys.map((key) => [key, two[key]]));
        const changed: RevisionInput = { ...one, ...changes };
        const same = canonical(changed) === canonical(one);
        expect(revisionOf(changed) === revisionOf(one)).toBe(same);
      }),
      { numRuns: 300 },
    );
  });

  test.each<[string, Partial<RevisionInput>]>([
    ["nodeName", { nodeName: "ship2" }],
    ["method", { method: "shellcommand" }],
    ["args", { args: ["a", "b", ""] }],
    ["how args are split", { args: ["a b"] }],
    ["the name of a variable", { env: [{ name: "B", value: "1" }] }],
    ["the value of a variable", { env: [{ name: "A", value: "2" }] }],
    ["where a variable's name ends", { env: [{ name: "A1", value: "" }] }],
    ["a value into a reference", { env: [{ name: "A", value: "", ...valueFrom("secretKeyRef") }] }],
    ["stdin", { stdin: "in " }],
    ["stdin into a reference", { stdin: "", stdinFrom: { configMapKeyRef: REFERENCE } }],
    ["the user that runs it", { runAs: "backup" }],
    ["workingDir", { workingDir: "/tmp/" }],
  ])("is another one after a change of %s", (_, change) => {
    const before: RevisionInput = {
      nodeName: "ship1",
      method: "exec",
      args: ["a", "b"],
      env: [{ name: "A", value: "1" }],
      stdin: "in",
      workingDir: "/tmp",
    };
    expect(revisionOf({ ...before, ...change })).not.toBe(revisionOf(before));
  });

  test("tells every two references apart", () => {
    const references = (["secretKeyRef", "configMapKeyRef"] as const).flatMap((kind) => [
      { [kind]: REFERENCE },
      { [kind]: { ...REFERENCE, name: "db2" } },
      { [kind]: { ...REFERENCE, key: "user" } },
      { [kind]: { ...REFERENCE, optional: true } },
    ]);
    const written = { nodeName: "ship1", method: "exec" };
    const revisions = references.flatMap((from) => [
      revisionOfWritten({ ...written, stdinFrom: from }),
      revisionOfWritten({ ...written, env: [{ name: "A", valueFrom: from }] }),
      revisionOfWritten({ ...written, env: [{ name: "A", value: JSON.stringify(from) }] }),
    ]);
    expect(new Set(revisions).size).toBe(revisions.length);
  });

  test("takes a reference that does not say whether it is optional for one that is not", () => {
    const written = { nodeName: "ship1", method: "exec" };
    const { optional, ...rest } = REFERENCE;
    expect(optional).toBe(false);
    expect(revisionOfWritten({ ...written, stdinFrom: { secretKeyRef: rest } })).toBe(
      revisionOfWritten({ ...written, stdinFrom: { secretKeyRef: REFERENCE } }),
    );
  });

  test.each(otherFields())("is the same after a change of %s", (_, changes) => {
    const written = { nodeName: "ship1", method: "exec", args: ["true"] };
    const want = revisionOfWritten(written);
    for (const change of changes) expect(revisionOfWritten({ ...written, ...change })).toBe(want);
  });

  test("knows of every field of the spec whether it counts", () => {
    const known = [...keysOf(), ...otherFields().map(([field]) => field)];
    expect(Object.keys(edgeCommandSpec.shape).toSorted()).toEqual(known.toSorted());
  });
});

function keysOf(): (keyof RevisionInput)[] {
  return ["nodeName", "method", "args", "env", "stdin", "stdinFrom", "runAs", "workingDir"];
}

const REFERENCE = { name: "db", key: "password", optional: false };

function valueFrom(kind: keyof ValueSource): { valueFrom: ValueSource } {
  return { valueFrom: { [kind]: REFERENCE } };
}

/** The fields that say how something is run, not what. */
function otherFields(): [string, Partial<EdgeCommandSpec>[]][] {
  return [
    ["rerun", [{ rerun: "1" }, { rerun: "2026-11-24" }]],
    ["timeout", [{ timeout: "1s" }, { timeout: "24h" }]],
    ["offlinePolicy", [{ offlinePolicy: "Skip" }, { offlinePolicy: "Fail" }]],
    ["retry", [{ retry: { limit: 3, backoff: "1s", maxBackoff: "1m" } }]],
    ["idempotent", [{ idempotent: true }]],
    ["readyWhen", [{ readyWhen: "Accepted" }, { readyWhen: "Declared" }]],
    ["suspend", [{ suspend: true }]],
    ["cancel", [{ cancel: true }]],
    ["ttlAfterFinished", [{ ttlAfterFinished: "1h" }]],
    ["startDeadline", [{ startDeadline: "1s" }]],
    ["successExitCodes", [{ successExitCodes: [0, 3] }, { successExitCodes: [1] }]],
    ["output", [{ output: { inlineBytes: 0 } }]],
  ];
}

function canonical(input: RevisionInput): string {
  const env = Object.fromEntries(
    input.env.map((variable) => [variable.name, variable.valueFrom ?? variable.value]),
  );
  const sorted = Object.keys(env)
    .toSorted()
    .map((key) => [key, env[key]]);
  return JSON.stringify(keysOf().map((key) => (key === "env" ? sorted : (input[key] ?? null))));
}

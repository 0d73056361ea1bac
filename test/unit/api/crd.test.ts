import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isScalar, parse, parseDocument, visit } from "yaml";
import { customResourceDefinition, KINDS } from "../../../src/api/crd.ts";
import { GROUP } from "../../../src/api/group.ts";
import { isObject, places, type Path } from "../../support/json-walk.ts";

const FOLDER = new URL("../../../crds/", import.meta.url);

const generated = KINDS.map((kind) => ({
  kind: kind.kind,
  file: `${GROUP}_${kind.plural}.yaml`,
  crd: JSON.parse(JSON.stringify(customResourceDefinition(kind))) as unknown,
}));

type Schema = Record<string, unknown>;

interface Field {
  readonly path: string;
  readonly schema: Schema;
}

function at(value: unknown, ...path: Path): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  const inside: unknown = (value as Record<string | number, unknown>)[first];
  return at(inside, ...rest);
}

function rootOf(crd: unknown): Schema {
  return at(crd, "spec", "versions", 0, "schema", "openAPIV3Schema") as Schema;
}

/** Every schema inside a schema, by the path of its field: `.spec.args[]`. */
function* fieldsOf(schema: Schema, path = ""): Generator<Field> {
  yield { path, schema };
  const { properties, items, additionalProperties } = schema;
  for (const [name, property] of Object.entries((properties ?? {}) as Record<string, Schema>)) {
    yield* fieldsOf(property, `${path}.${name}`);
  }
  if (isObject(items)) yield* fieldsOf(items, `${path}[]`);
  if (isObject(additionalProperties)) yield* fieldsOf(additionalProperties, `${path}{}`);
}

const hasAny = (schema: Schema, ...keys: string[]): boolean => keys.some((key) => key in schema);

/** What no structural schema may have, or what the API server does not know. */
const FORBIDDEN = [
  "$schema",
  "$ref",
  "anyOf",
  "oneOf",
  "allOf",
  "not",
  "const",
  "nullable",
  "uniqueItems",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "id",
  "definitions",
  "patternProperties",
];
const TYPES: readonly unknown[] = ["object", "array", "string", "integer", "boolean"];

interface Rule {
  readonly rule: string;
  readonly holds: (schema: Schema, path: string) => boolean;
}

const RULES: readonly Rule[] = [
  { rule: "has a type", holds: ({ type }) => TYPES.includes(type) },
  {
    rule: "is bounded if it is a string, as the cost of CEL rules is counted by it",
    holds: (schema) => schema["type"] !== "string" || hasAny(schema, "maxLength", "enum", "format"),
  },
  {
    rule: "is bounded if it is a list, and says of what",
    holds: (schema) => schema["type"] !== "array" || ("maxItems" in schema && "items" in schema),
  },
  {
    rule: "says how it is merged if it is a list",
    holds: (schema) => schema["type"] !== "array" || "x-kubernetes-list-type" in schema,
  },
  {
    rule: "has a key that its items must have if it is a map list",
    holds: (schema) => {
      const keys = (schema["x-kubernetes-list-map-keys"] ?? []) as string[];
      if (schema["x-kubernetes-list-type"] !== "map") return keys.length === 0;
      const required = at(schema, "items", "required") as string[];
      return keys.length > 0 && keys.every((key) => required.includes(key));
    },
  },
  {
    rule: "has 64 bits and a lower bound if it is an integer, and none of JavaScript's bounds",
    holds: ({ type, format, minimum, maximum }) =>
      type !== "integer" ||
      (format === "int64" &&
        Number(minimum) > Number.MIN_SAFE_INTEGER &&
        Number(maximum ?? 0) < Number.MAX_SAFE_INTEGER),
  },
  {
    rule: "is described in sentences, unless it is an item of a list",
    holds: ({ description }, path) =>
      path.endsWith("[]") ||
      (typeof description === "string" && /^[A-Za-z].*[.?]$/s.test(description)),
  },
  {
    rule: "has nothing that a structural schema may not have",
    holds: (schema) =>
      !hasAny(schema, ...FORBIDDEN) &&
      (!("additionalProperties" in schema) || isObject(schema["additionalProperties"])),
  },
  {
    rule: "does not require what it has a default for",
    holds: (schema) =>
      ((schema["required"] ?? []) as string[]).every(
        (name) => at(schema, "properties", name, "default") === undefined,
      ),
  },
  {
    rule: "tells a person what is wrong by each of its rules",
    holds: (schema) =>
      ((schema["x-kubernetes-validations"] ?? []) as { message?: string }[]).every(
        ({ message }) => message !== undefined && message.length > 10,
      ),
  },
];

describe.each(generated)("every field in the schema of $kind", ({ crd }) => {
  test.each(RULES)("$rule", ({ holds }) => {
    const breaking = [...fieldsOf(rootOf(crd))]
      .filter(({ path }) => ![".apiVersion", ".kind", ".metadata"].includes(path))
      .filter(({ path, schema }) => !holds(schema, path));
    expect(breaking.map(({ path }) => path)).toEqual([]);
  });
});

describe.each(generated)("the schema of $kind", ({ crd }) => {
  test("starts with a status that says that nobody has looked yet", () => {
    expect(at(rootOf(crd), "properties", "status", "default")).toMatchObject({
      observedGeneration: -1,
    });
  });

  test("requires the spec, unless it has a default", () => {
    const hasDefault = at(rootOf(crd), "properties", "spec", "default") !== undefined;
    expect(rootOf(crd)["required"]).toEqual(hasDefault ? undefined : ["spec"]);
  });
});

describe("the schema of EdgeCommand", () => {
  const crd = generated.find(({ kind }) => kind === "EdgeCommand")?.crd;
  const spec = at(rootOf(crd), "properties", "spec");

  test.each<[Path, unknown]>([
    [["args"], []],
    [["env"], []],
    [["env", "items", "properties", "value"], ""],
    [["env", "items", "properties", "valueFrom"], undefined],
    [
      [
        "env",
        "items",
        "properties",
        "valueFrom",
        "properties",
        "secretKeyRef",
        "properties",
        "optional",
      ],
      false,
    ],
    [["stdin"], ""],
    [["stdinFrom"], undefined],
    [["stdinFrom", "properties", "configMapKeyRef", "properties", "optional"], false],
    [["runAs"], undefined],
    [["workingDir"], "/"],
    [["rerun"], ""],
    [["timeout"], "5m"],
    [["offlinePolicy"], "Wait"],
    [["retry"], { limit: 0, backoff: "10s", maxBackoff: "10m" }],
    [["retry", "properties", "limit"], 0],
    [["retry", "properties", "backoff"], "10s"],
    [["retry", "properties", "maxBackoff"], "10m"],
    [["idempotent"], false],
    [["readyWhen"], "Succeeded"],
    [["suspend"], false],
    [["cancel"], false],
    [["ttlAfterFinished"], undefined],
    [["successExitCodes"], [0]],
    [["output"], { inlineBytes: 4096 }],
    [["output", "properties", "inlineBytes"], 4096],
    [["startDeadline"], undefined],
    [["nodeName"], undefined],
    [["method"], undefined],
  ])("has for %j the default %j", (path, want) => {
    expect(at(spec, "properties", ...path, "default")).toEqual(want);
  });

  test("requires a node and a method and nothing else", () => {
    expect(at(spec, "required")).toEqual(["nodeName", "method"]);
  });

  test("has for a run of before reruns and epochs what it was: no rerun, epoch 0", () => {
    const status = at(rootOf(crd), "properties", "status", "properties");
    expect(at(status, "run", "properties", "rerun", "default")).toBe("");
    expect(at(status, "run", "properties", "epoch", "default")).toBe(0);
    expect(at(status, "history", "items", "properties", "rerun", "default")).toBe("");
  });

  test("starts in the phase Pending", () => {
    expect(at(rootOf(crd), "properties", "status", "default")).toEqual({
      observedGeneration: -1,
      phase: "Pending",
    });
  });
});

describe("the schema of EdgeNode", () => {
  const crd = generated.find(({ kind }) => kind === "EdgeNode")?.crd;
  const spec = at(rootOf(crd), "properties", "spec");

  test("has a spec that may be left out, and then names nobody", () => {
    expect(at(spec, "default")).toEqual({ disabled: false });
    expect(at(spec, "properties", "disabled", "default")).toBe(false);
    expect(at(spec, "required")).toBeUndefined();
  });

  test("has no place for anything secret: keys are public, and no seed fits", () => {
    const keys = [
      at(spec, "properties", "publicKey"),
      at(spec, "properties", "enrollment", "properties", "publicKey"),
      at(rootOf(crd), "properties", "status", "properties", "identity", "properties", "publicKey"),
    ];
    for (const key of keys) expect(at(key, "maxLength")).toBe(56);
  });

  test("has a token that says until when it is good", () => {
    expect(at(spec, "properties", "enrollment", "required")).toEqual(["publicKey", "expiresAt"]);
    expect(at(spec, "properties", "enrollment", "properties", "expiresAt", "format")).toBe(
      "date-time",
    );
  });
});

describe.each(generated)("the resource of $kind", ({ kind, crd }) => {
  const names = at(crd, "spec", "names") as Record<string, unknown>;
  const version = at(crd, "spec", "versions", 0) as Record<string, unknown>;

  test("is namespaced, has a status of its own, and belongs to the category edge", () => {
    expect(at(crd, "spec", "scope")).toBe("Namespaced");
    expect(at(crd, "metadata", "name")).toBe(`${String(names["plural"])}.${GROUP}`);
    expect(names).toMatchObject({ kind, listKind: `${kind}List`, categories: ["edge"] });
    expect(version).toMatchObject({ served: true, storage: true, subresources: { status: {} } });
  });

  test("has columns and selectable fields that are in its schema", () => {
    const known = new Set([...fieldsOf(rootOf(crd))].map(({ path }) => path));
    const columns = version["additionalPrinterColumns"] as { name: string; jsonPath: string }[];
    const selectable = (version["selectableFields"] ?? []) as { jsonPath: string }[];
    const paths = [...columns, ...selectable].map(({ jsonPath }) =>
      jsonPath.replace(/\[\?.*\]/, "[]"),
    );
    const ofMetadata = [".metadata.creationTimestamp"];
    expect(paths.filter((path) => !known.has(path) && !ofMetadata.includes(path))).toEqual([]);
    expect(new Set(columns.map(({ name }) => name)).size).toBe(columns.length);
  });
});

describe("crds/", () => {
  test("has one file for each kind and nothing else", () => {
    expect(readdirSync(FOLDER).toSorted()).toEqual(generated.map(({ file }) => file).toSorted());
  });

  test.each(generated)("$file is what the code says: run `npm run generate`", ({ file, crd }) => {
    const text = readFileSync(new URL(file, FOLDER), "utf8");
    expect(parse(text, { version: "1.1" })).toEqual(crd);
    expect(parse(text, { version: "1.2" })).toEqual(crd);
  });

  test.each(generated)(
    "$file has no word without quotes that YAML 1.1 reads as a truth value",
    ({ file }) => {
      const text = readFileSync(new URL(file, FOLDER), "utf8");
      expect(truthValues(text)).toEqual([]);
    },
  );

  test.each([
    ["a: on", ["on"]],
    ["y: 1", ["y"]],
    ["- No", ["No"]],
    ['a: "on"', []],
    ["a: 'yes'", []],
    ["a: true", []],
    ["a: only on weekdays", []],
  ])("the check for such words finds in %j %j", (text, want) => {
    expect(truthValues(text)).toEqual(want);
  });
});

/** Plain scalars that are booleans to a reader of YAML 1.1 and words to everybody else. */
function truthValues(text: string): string[] {
  const found: string[] = [];
  visit(parseDocument(text, { version: "1.2", keepSourceTokens: true }), (_, node) => {
    if (isScalar(node) && node.type === "PLAIN") found.push(String(node.source));
  });
  return found.filter((word) => /^(y|n|yes|no|on|off)$/i.test(word));
}

test("the places of a generated definition are all plain JSON", () => {
  for (const { crd } of generated) {
    for (const { value } of places(crd)) {
      expect(["string", "number", "boolean", "object"]).toContain(typeof value);
      expect(value).not.toBeNull();
    }
  }
});

import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { trustIn } from "../../../src/identity/signatures.ts";
import {
  decodeGolden,
  encodeGolden,
  exportedMessageTypes,
  goldenMessages,
  goldenSigners,
} from "../../support/golden-messages.ts";
import { isObject, places } from "../../support/json-walk.ts";

const goldens = await goldenMessages();
const types = await exportedMessageTypes();

describe("a golden message", () => {
  test.each(goldens)(
    "$name is encoded to the bytes of its wire file",
    ({ type, payload, wire }) => {
      expect(text(encodeGolden(type, payload))).toBe(text(wire));
    },
  );

  test.each(goldens)(
    "$name is decoded from the bytes of its wire file by who trusts one of its keys",
    (golden) => {
      for (const { keyID } of goldenSigners(golden.type, golden.payload)) {
        const trust = trustIn(() => [keyID]);
        expect(decodeGolden(golden.type, golden.wire, trust)).toEqual(golden.payload);
      }
    },
  );
});

describe("golden messages", () => {
  test("exist for every message that the protocol has", () => {
    expect(types.map(({ name }) => name).toSorted()).toEqual([
      ...new Set(goldens.map(({ type }) => type.name).toSorted()),
    ]);
  });

  test("have no file that is not read", () => {
    const files = readdirSync(new URL("../../fixtures/protocol/v1", import.meta.url));
    const read = goldens.flatMap(({ name }) => [`${name}.json`, `${name}.wire.json`]);
    expect(files.toSorted()).toEqual(read.toSorted());
  });

  test.each(types)("show every field and every kind of answer of $name", (type) => {
    const shown = new Set<string>();
    for (const { payload } of goldens.filter((golden) => golden.type.name === type.name)) {
      for (const { path, value } of places(payload)) {
        shown.add(fieldOf(path));
        shown.add(`${fieldOf(path)}=${JSON.stringify(value)}`);
      }
    }
    expect(fieldsOf(z.toJSONSchema(type.schema)).filter((field) => !shown.has(field))).toEqual([]);
  });

  test("are all of another type, but for the forms of one message", () => {
    expect(new Set(types.map(({ name }) => name)).size).toBe(types.length);
  });
});

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function fieldOf(path: readonly (string | number)[]): string {
  return path.map((part) => (typeof part === "number" ? "[]" : part)).join(".");
}

/** The fields of a schema, and `field=value` for each that tells the forms of a message apart. */
function fieldsOf(schema: unknown, path: readonly string[] = []): string[] {
  if (!isObject(schema)) return [];
  const { properties, items, oneOf, anyOf } = schema;
  const here = path.join(".");
  return [
    ...("const" in schema ? [`${here}=${JSON.stringify(schema["const"])}`] : [here]),
    ...Object.entries(isObject(properties) ? properties : {}).flatMap(([name, property]) =>
      fieldsOf(property, [...path, name]),
    ),
    ...fieldsOf(items, [...path, "[]"]),
    ...[oneOf, anyOf].flatMap((options) =>
      Array.isArray(options) ? options.flatMap((option) => fieldsOf(option, path)) : [],
    ),
  ];
}

import { expect, test } from "vitest";
import type { EventInput } from "../../../src/kubernetes/event-object.ts";
import { SeriesTable } from "../../../src/kubernetes/event-series.ts";

const MINUTE = 60_000;

function event(uid: string, more: Partial<EventInput> = {}): EventInput {
  return {
    regarding: { apiVersion: "v1", kind: "ConfigMap", namespace: "ns", name: uid, uid },
    type: "Normal",
    reason: "R",
    action: "A",
    note: "n",
    ...more,
  };
}

const named = (): string => "name";

test("the same event within six minutes of its last is a series, and later a new one", () => {
  const table = new SeriesTable();
  const first = table.note(event("u"), 0, named);
  const second = table.note(event("u"), 5 * MINUTE, named);
  const third = table.note(event("u"), 11 * MINUTE - 1, named);
  expect(second).toBe(first);
  expect(third).toMatchObject({ count: 3, firstAtMs: 0, lastAtMs: 11 * MINUTE - 1 });
  const fourth = table.note(event("u"), 17 * MINUTE - 1, named);
  expect(fourth).not.toBe(first);
  expect(fourth.count).toBe(1);
});

test.each([
  ["object", event("other")],
  ["type", event("u", { type: "Warning" })],
  ["reason", event("u", { reason: "S" })],
  ["note", event("u", { note: "m" })],
])("another %s is another event", (_, other) => {
  const table = new SeriesTable();
  expect(table.note(event("u"), 0, named)).not.toBe(table.note(other, 0, named));
});

test("the table stays small: what is over goes, and beyond the bound the least used", () => {
  const table = new SeriesTable();
  for (let count = 0; count < 3_000; count += 1) {
    table.note(event(`u${count}`), 0, named);
    table.note(event("often"), 0, named);
  }
  expect(table.size).toBe(1_024);
  expect(table.note(event("often"), 0, named).count).toBe(3_001);
  table.note(event("later"), 6 * MINUTE, named);
  expect(table.size).toBe(1);
});

import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  cutUtf8,
  eventName,
  eventObject,
  eventSeries,
  microTime,
  type EventInput,
} from "../../../src/kubernetes/event-object.ts";

const reporter = { reportingController: "steward.dev/controller", reportingInstance: "pod-1" };
const input: EventInput = {
  regarding: { apiVersion: "v1", kind: "ConfigMap", namespace: "ns", name: "cm", uid: "u" },
  type: "Warning",
  reason: "Late",
  action: "Send",
  note: "the node is away",
};
function noteOf(note: string): unknown {
  return eventObject({ ...input, note }, reporter, "n", once)["note"];
}

const once = { count: 1, firstAtMs: 1_700_000_000_123, lastAtMs: 1_700_000_000_123 };

test("an event lies in the namespace of its object and says who reports it", () => {
  expect(eventObject(input, reporter, "cm.1", once)).toEqual({
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: "cm.1", namespace: "ns" },
    eventTime: "2023-11-14T22:13:20.123000Z",
    ...reporter,
    regarding: input.regarding,
    type: "Warning",
    reason: "Late",
    action: "Send",
    note: "the node is away",
  });
});

test("what happened once has no series", () => {
  expect(eventSeries(once)).toBeUndefined();
  expect(eventSeries({ ...once, count: 2, lastAtMs: once.lastAtMs + 1 })).toEqual({
    count: 2,
    lastObservedTime: "2023-11-14T22:13:20.124000Z",
  });
});

test("a MicroTime has exactly six decimals", () => {
  expect(microTime(0)).toBe("1970-01-01T00:00:00.000000Z");
});

test("a cut text fits, and is whole characters of the original", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", "é", "€", "😀") }),
      fc.integer({ min: 3, max: 40 }),
      (text, max) => {
        const cut = cutUtf8(text, max);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(max);
        if (Buffer.byteLength(text) <= max) expect(cut).toBe(text);
        else expect(text.startsWith(cut.slice(0, -1)) && cut.endsWith("…")).toBe(true);
      },
    ),
  );
});

test("a note of 1024 bytes is kept, a longer one is cut to that", () => {
  expect(noteOf("x".repeat(1_024))).toBe("x".repeat(1_024));
  expect(Buffer.byteLength(String(noteOf("x".repeat(1_025))))).toBe(1_024);
});

test("names are those of DNS subdomains, and differ by reporter, number and time", () => {
  const longest = `${"a".repeat(235)}.${"b".repeat(17)}`;
  const names = [
    eventName("cm", reporter, 1, 5),
    eventName("cm", reporter, 2, 5),
    eventName("cm", reporter, 1, 6),
    eventName("cm", { ...reporter, reportingInstance: "pod-2" }, 1, 5),
    eventName(longest, reporter, 1, 5),
  ];
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) {
    expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
    expect(name.length).toBeLessThanOrEqual(253);
  }
});

import { createHash } from "node:crypto";
import type { JsonObject } from "./json-values.ts";

/** The object that an event is about; of any kind, in any namespace. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What a person should notice. `reason` and `action` are CamelCase words, `note` is a sentence. */
export interface EventInput {
  readonly regarding: Regarding;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

export interface EventReporter {
  /** A qualified name, such as `steward.dev/controller`. */
  readonly reportingController: string;
  /** Which one of them, such as the pod's name. */
  readonly reportingInstance: string;
}

/** Limits of events.k8s.io/v1: longer values are refused by the API server. */
const NOTE_BYTES = 1024;
const WORD_BYTES = 128;
const NAME_CHARS = 253;

/** How often an event has happened. Times are wall-clock milliseconds. */
export interface Occurrences {
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

/** The body of a new event; `name` is from `eventName`. */
export function eventObject(
  input: EventInput,
  reporter: EventReporter,
  name: string,
  occurrences: Occurrences,
): JsonObject {
  const series = eventSeries(occurrences);
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name, namespace: input.regarding.namespace },
    eventTime: microTime(occurrences.firstAtMs),
    reportingController: reporter.reportingController,
    reportingInstance: cutUtf8(reporter.reportingInstance, WORD_BYTES),
    regarding: input.regarding,
    type: input.type,
    reason: cutUtf8(input.reason, WORD_BYTES),
    action: cutUtf8(input.action, WORD_BYTES),
    note: cutUtf8(input.note, NOTE_BYTES),
    ...(series === undefined ? {} : { series }),
  };
}

/** The `series` of an event; one that happened once has none (the API wants a count of 2 or more). */
export function eventSeries({ count, lastAtMs }: Occurrences): JsonObject | undefined {
  return count < 2 ? undefined : { count, lastObservedTime: microTime(lastAtMs) };
}

/**
 * A name for the event number `sequence` of this reporter: known before it is sent, so that sending it
 * again cannot make a second one. It begins with the name of the object, as the names of all events do.
 */
export function eventName(
  objectName: string,
  reporter: EventReporter,
  sequence: number,
  nowMs: number,
): string {
  const identity = `${reporter.reportingController}\n${reporter.reportingInstance}`;
  const suffix = createHash("sha256")
    .update(`${identity}\n${objectName}\n${nowMs}\n${sequence}`)
    .digest("hex")
    .slice(0, 16);
  const room = NAME_CHARS - suffix.length - 1;
  return `${objectName.slice(0, room).replace(/[^a-z0-9]+$/, "")}.${suffix}`;
}

/** RFC 3339 with exactly six decimals: MicroTime takes no other number of them. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.(\d{3})Z$/, ".$1000Z");
}

/** The longest prefix of whole characters that fits, ended with `…` where something was cut. */
export function cutUtf8(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= maxBytes) return bytes.toString("utf8");
  const ellipsis = "…";
  let end = maxBytes - Buffer.byteLength(ellipsis);
  // 0b10xxxxxx continues a character: step back to where one begins.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end) + ellipsis;
}

import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { ApiError } from "../../../src/kubernetes/api-error.ts";
import { TransportError, WatchIdleError } from "../../../src/kubernetes/transport-error.ts";
import type { WatchEvent } from "../../../src/kubernetes/watch-event.ts";
import { readWatchStream } from "../../../src/kubernetes/watch-stream.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { settle } from "./fakes.ts";

function line(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

function added(version: number): string {
  return line("ADDED", { metadata: { name: "ü", resourceVersion: String(version) } });
}

interface Outcome {
  readonly events: WatchEvent[];
  readonly error: unknown;
}

async function read(body: Readable, clock = new FakeClock()): Promise<Outcome> {
  const events: WatchEvent[] = [];
  try {
    const stream = readWatchStream(body, { clock, request: "watch /p", idleMs: 100 });
    for await (const event of stream) events.push(event);
    return { events, error: undefined };
  } catch (error) {
    return { events, error };
  }
}

test("events come in order, cut anywhere, until the server ends the watch", async () => {
  const bytes = Buffer.from(
    added(1) + added(2) + line("BOOKMARK", { metadata: { resourceVersion: "9" } }),
  );
  const chunks = Array.from(bytes, (byte) => Buffer.from([byte]));
  const { events, error } = await read(Readable.from(chunks));
  expect(error).toBeUndefined();
  expect(events.map(({ type, resourceVersion }) => [type, resourceVersion])).toEqual([
    ["ADDED", "1"],
    ["ADDED", "2"],
    ["BOOKMARK", "9"],
  ]);
  expect(events[0]?.object).toEqual({ metadata: { name: "ü", resourceVersion: "1" } });
});

test("an ERROR event ends the watch as an ApiError with the code of its Status", async () => {
  const expired = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
  const { events, error } = await read(
    Readable.from([Buffer.from(added(1) + line("ERROR", expired))]),
  );
  expect(events).toHaveLength(1);
  expect(error).toBeInstanceOf(ApiError);
  expect(error instanceof ApiError && error.isGone()).toBe(true);
});

test.each([
  ["is not JSON", "{]\n"],
  ["is no object", "[1]\n"],
  ["has an unknown type", line("SURPRISE", { metadata: { resourceVersion: "1" } })],
  ["has no object", line("ADDED", undefined)],
  ["has no resourceVersion", line("ADDED", { metadata: {} })],
  ["is cut", added(1).slice(0, 20)],
])("a line that %s ends the watch as a TransportError", async (_, text) => {
  const { events, error } = await read(Readable.from([Buffer.from(added(1) + text)]));
  expect(events).toHaveLength(1);
  expect(error).toBeInstanceOf(TransportError);
});

test("the watchdog ends a watch that brings nothing, and every byte feeds it", async () => {
  const clock = new FakeClock();
  const body = new Readable({ read: () => undefined });
  const outcome = read(body, clock);
  await clock.advance(99);
  body.push(added(1).slice(0, 5));
  await settle();
  await clock.advance(99);
  expect(body.destroyed).toBe(false);
  await clock.advance(1);
  const { error } = await outcome;
  expect(error).toBeInstanceOf(WatchIdleError);
  expect(body.destroyed).toBe(true);
});

test("leaving the loop closes the connection", async () => {
  const body = new Readable({ read: () => undefined });
  body.push(added(1));
  const stream = readWatchStream(body, {
    clock: new FakeClock(),
    request: "watch /p",
    idleMs: 100,
  });
  for await (const event of stream) {
    expect(event.resourceVersion).toBe("1");
    break;
  }
  expect(body.destroyed).toBe(true);
});

import { expect, test } from "vitest";
import { apiErrorFromStatus } from "../../../src/kubernetes/api-error.ts";
import type { EventInput } from "../../../src/kubernetes/event-object.ts";
import { createEventRecorder, type EventRecorder } from "../../../src/kubernetes/events.ts";
import { TransportError } from "../../../src/kubernetes/transport-error.ts";
import type { TransportRequest, TransportResponse } from "../../../src/kubernetes/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { InstantClock, settle } from "./fakes.ts";

const lost = new TransportError("reset");
const refused = (code: number, reason: string): Error => apiErrorFromStatus("x", { code, reason });

function event(note: string): EventInput {
  return {
    regarding: { apiVersion: "v1", kind: "ConfigMap", namespace: "ns", name: "cm", uid: "u" },
    type: "Normal",
    reason: "R",
    action: "A",
    note,
  };
}

interface Desk {
  readonly recorder: EventRecorder;
  readonly sent: string[];
  readonly logger: RecordingLogger;
  /** Lets the request under way be answered. */
  readonly answer: () => Promise<void>;
}

/** A recorder whose requests are answered from a list of errors, then with success. */
function desk(
  errors: readonly (Error | undefined)[] = [],
  gated = false,
  clock = new InstantClock(),
): Desk {
  const sent: string[] = [];
  const names: unknown[] = [];
  const left = [...errors];
  const gates: (() => void)[] = [];
  const request = async (asked: TransportRequest): Promise<TransportResponse> => {
    const body = JSON.stringify(asked.body);
    const name =
      asked.method === "POST"
        ? /"name":"(cm\.[^"]+)"/.exec(body)?.[1]
        : asked.path.split("/").at(-1);
    if (!names.includes(name)) names.push(name);
    const count = /"count":(\d+)/.exec(body)?.[1] ?? "1";
    sent.push(`${asked.method} event ${names.indexOf(name) + 1} x${count}`);
    if (gated) await new Promise<void>((resolve) => gates.push(resolve));
    const error = left.shift();
    if (error !== undefined) throw error;
    return { status: 201, body: {} };
  };
  const logger = new RecordingLogger();
  const recorder = createEventRecorder({
    transport: { request },
    clock,
    random: () => 0,
    logger,
    reportingController: "steward.dev/controller",
    reportingInstance: "pod-1",
  });
  const answer = async (): Promise<void> => {
    gates.shift()?.();
    await settle();
  };
  return { recorder, sent, logger, answer };
}

test("an event is made once and its repetition becomes a series", async () => {
  const { recorder, sent } = desk();
  recorder.record(event("n"));
  await settle();
  recorder.record(event("n"));
  await settle();
  recorder.record(event("m"));
  await recorder.close();
  expect(sent).toEqual(["POST event 1 x1", "PATCH event 1 x2", "POST event 2 x1"]);
});

test("repetitions while one is under way are told in one request", async () => {
  const { recorder, sent, answer } = desk([], true);
  for (let count = 0; count < 50; count += 1) recorder.record(event("n"));
  await answer();
  recorder.record(event("n"));
  recorder.record(event("n"));
  await answer();
  expect(sent).toEqual(["POST event 1 x1", "PATCH event 1 x50", "PATCH event 1 x52"]);
});

test("a lost answer is tried again under the same name, and finding it made is success", async () => {
  const { recorder, sent, logger } = desk([lost, refused(409, "AlreadyExists")]);
  recorder.record(event("n"));
  await settle();
  expect(sent).toEqual(["POST event 1 x1", "POST event 1 x1"]);
  expect(logger.lines).toEqual([]);
});

test("a series whose event has expired is made anew", async () => {
  const { recorder, sent } = desk([undefined, refused(404, "NotFound")]);
  recorder.record(event("n"));
  await settle();
  recorder.record(event("n"));
  await settle();
  recorder.record(event("n"));
  await settle();
  expect(sent).toEqual([
    "POST event 1 x1",
    "PATCH event 1 x2",
    "POST event 2 x2",
    "PATCH event 2 x3",
  ]);
});

test("a refusal is logged and not tried again", async () => {
  const { recorder, sent, logger } = desk([refused(403, "Forbidden")]);
  recorder.record(event("n"));
  await settle();
  expect(sent).toHaveLength(1);
  expect(logger.lines.map(({ level }) => level)).toEqual(["warn"]);
});

test("an API server that is down is given up on after a few tries", async () => {
  const { recorder, sent, logger } = desk(Array.from({ length: 100 }, () => lost));
  recorder.record(event("n"));
  await settle();
  expect(sent).toHaveLength(4);
  expect(logger.lines.map(({ level }) => level)).toEqual(["warn"]);
});

test("what does not fit in the queue is dropped and said so", async () => {
  const { recorder, logger } = desk([], true);
  for (let count = 0; count < 1_500; count += 1) recorder.record(event(String(count)));
  expect(logger.lines.map(({ message }) => message)).toEqual(["dropping events"]);
});

test("closing sends what waits, and takes no more", async () => {
  const { recorder, sent } = desk();
  for (let count = 0; count < 20; count += 1) recorder.record(event(String(count)));
  await recorder.close();
  expect(sent).toHaveLength(20);
  recorder.record(event("late"));
  await recorder.close();
  expect(sent).toHaveLength(20);
});

function silent(asked: TransportRequest): Promise<never> {
  return new Promise((_, reject) => {
    asked.signal?.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
  });
}

test("closing does not wait for an API server that is silent", async () => {
  const clock = new FakeClock();
  const logger = new RecordingLogger();
  const recorder = createEventRecorder({
    transport: { request: silent },
    clock,
    random: () => 0,
    logger,
    reportingController: "steward.dev/controller",
    reportingInstance: "pod-1",
  });
  recorder.record(event("n"));
  recorder.record(event("m"));
  const closing = recorder.close();
  await clock.advance(5_000);
  await closing;
  expect(logger.lines.map(({ message }) => message)).toEqual([
    "event not recorded: aborted",
    "some events were not recorded",
  ]);
});

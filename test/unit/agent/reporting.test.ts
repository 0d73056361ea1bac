import { expect, test } from "vitest";
import { ErrorEvents } from "../../../src/agent/error-events.ts";
import { MethodError } from "../../../src/agent/method-error.ts";
import { NoticeLog } from "../../../src/runtime/notice-log.ts";
import { decodeMessage } from "../../../src/protocol/envelope.ts";
import { errorEventMessage, type ErrorEvent } from "../../../src/protocol/error-event.ts";
import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import { agentSecurity, TRUST_IN_NODE } from "../../support/agent-security.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ScriptedBus } from "./scripted-bus.ts";

test("a notice is logged once for each subject and reason, and counted", () => {
  const logger = new RecordingLogger();
  const notices = new NoticeLog(logger);
  expect(notices.note("a", "Malformed", "first")).toBe(1);
  expect(notices.note("a", "Malformed", "again")).toBe(2);
  expect(notices.note("a", "Stale", "other")).toBe(1);
  expect(logger.lines.map(({ message }) => message)).toEqual(["first", "other"]);
});

test("however many subjects there are, the notices are bounded", () => {
  const logger = new RecordingLogger();
  const notices = new NoticeLog(logger);
  for (let index = 0; index < 10_000; index += 1) notices.note(`subject ${index}`, "Malformed", "");
  expect(logger.lines).toHaveLength(257);
});

test("errors of the agent are published, at most 10 a minute", async () => {
  const bus = new ScriptedBus();
  const clock = new FakeClock();
  const controllerClock = new ControllerClock(clock);
  const own = { node: "ship1", namespace: "default", security: agentSecurity() };
  const events = new ErrorEvents({ ...own, bus, clock, controllerClock });
  const publish = (): void =>
    events.publish({ process: "method/exec", severity: "error", thrown: new Error("no\u001b[1m") });
  for (let index = 0; index < 25; index += 1) publish();
  expect(bus.published).toHaveLength(10);
  expect(bus.published[0]?.subject).toBe("ship1.event.error");
  const said = (index: number): ErrorEvent => {
    const data = bus.published[index]?.data ?? new Uint8Array();
    return decodeMessage(errorEventMessage, data, TRUST_IN_NODE);
  };
  expect(said(0)).toEqual({
    namespace: "default",
    node: "ship1",
    process: "method/exec",
    severity: "error",
    message: "no\ufffd[1m",
  });
  await clock.advance(60_000);
  controllerClock.set(Date.parse("2026-11-24T06:00:00.000Z"));
  publish();
  expect(bus.published).toHaveLength(11);
  expect(said(10)).toMatchObject({ signedAt: "2026-11-24T06:00:00.000Z" });
});

test("what ends the agent is published whatever was before it", () => {
  const bus = new ScriptedBus();
  const events = new ErrorEvents({
    node: "ship1",
    namespace: "default",
    bus,
    clock: new FakeClock(),
    security: agentSecurity(),
  });
  const thrown = new Error("the ledger does not commit");
  for (let index = 0; index < 10; index += 1) {
    events.publish({ process: "outbox", severity: "warning", thrown });
  }
  events.publish({ process: "ledger", severity: "fatal", thrown });
  expect(bus.published).toHaveLength(11);
});

test("an error of a method tells where it was thrown, and nothing of what was thrown", () => {
  const thrown = new TypeError("cannot do --password=hunter2\n    with that");
  const error = new MethodError("exec", "some-run", thrown);
  expect(error.message).toBe("method exec threw TypeError in run some-run");
  expect(error.stack).toContain("reporting.test.ts");
  expect(error.stack).not.toContain("hunter2");
  expect(error.cause).toBeUndefined();
});

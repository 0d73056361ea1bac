import { describe, expect, test } from "vitest";

import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import { edgeCommand, NOW, observed, runReport } from "../../../support/builders.ts";
import { after, answered, asked, away, edited, finished, late } from "./planning.ts";

const HOUR = 3_600_000;
const command = edgeCommand({ spec: { ttlAfterFinished: "1h" } });
const ended = finished(command);

describe("a resource with ttlAfterFinished", () => {
  test("is kept while it has not ended, however long", () => {
    const waiting = after(command, away);
    expect(plan(observed(waiting, { ...away, now: NOW + 100 * HOUR })).remove).toBeUndefined();
  });

  test("is looked at again when its time is up, from the pass that records its end", () => {
    expect(plan(observed(command, { reports: [runReport(command)] })).requeueAfterMs).toBe(HOUR);
  });

  test("is looked at again also by a controller that has just started", () => {
    expect(plan(observed(ended, { now: NOW + HOUR - 7 }))).toEqual({ requeueAfterMs: 7 });
    expect(plan(observed(ended, { now: NOW + HOUR }))).toEqual({ remove: true });
  });

  test("waits no longer than an hour at a time, for a long one", () => {
    const long = finished(edgeCommand({ spec: { ttlAfterFinished: "87600h" } }));
    expect(plan(observed(long))).toEqual({ requeueAfterMs: HOUR });
  });

  test("counts from the end, also after edits that run nothing", () => {
    const later = edited(ended, { timeout: "1h" });
    const { writeStatus, remove, requeueAfterMs } = plan(observed(later, { now: NOW + HOUR }));
    expect(writeStatus).toMatchObject({ observedGeneration: 2 });
    expect([remove, requeueAfterMs]).toEqual([undefined, 1]);
    expect(
      plan(observed({ ...later, status: writeStatus ?? later.status }, { now: NOW + HOUR })),
    ).toEqual({ remove: true });
  });

  test("is not deleted while a report on it has no receipt", () => {
    const stray = runReport(command, {
      declared: 1,
      runID: "55555555-5555-4555-8555-555555555555",
    });
    for (const report of [runReport(command), stray]) {
      const { remove, requeueAfterMs } = plan(
        observed(ended, { now: NOW + HOUR, reports: [report] }),
      );
      expect([remove, requeueAfterMs]).toEqual([undefined, 1]);
    }
  });

  test("is not deleted when it was declared anew meanwhile", () => {
    const again = plan(observed(edited(ended, { rerun: "now" }), { now: NOW + 9 * HOUR }));
    expect(again.remove).toBeUndefined();
    expect(again.offer).toBeDefined();
  });

  test.each([
    ["Skipped", { offlinePolicy: "Skip" }, away],
    ["Expired", { startDeadline: "1s" }, { ...away, now: NOW + 2_000 }],
    ["Cancelled", { cancel: true }, {}],
  ] as const)("is deleted after any end: %s", (phase, spec, seen) => {
    const over = after(edgeCommand({ spec: { ttlAfterFinished: "1h", ...spec } }), seen);
    expect(over.status.phase).toBe(phase);
    expect(plan(observed(over, { ...seen, now: NOW + HOUR + 2_000 }))).toEqual({ remove: true });
  });

  test("without it is kept", () => {
    expect(plan(observed(finished(edgeCommand()), { now: NOW + 1e12 }))).toEqual({});
  });
});

test("the time to live counts from the end of the latest run, also where Completed stays True over it", () => {
  const given = finished(edgeCommand({ spec: { ttlAfterFinished: "1h", offlinePolicy: "Fail" } }));
  const endsAt = NOW + HOUR - 10_000;
  const again = after(edited(given, { rerun: "now" }), { ...away, now: endsAt });
  expect(again.status).toMatchObject({ phase: "Failed", run: { declared: 2 } });
  const { remove, requeueAfterMs } = plan(observed(again, { ...away, now: endsAt + 11_000 }));
  expect([remove, requeueAfterMs]).toEqual([undefined, HOUR - 11_000]);
  expect(plan(observed(again, { ...away, now: endsAt + HOUR }))).toEqual({ remove: true });
});

describe("what is still owed an end is not deleted when its time is up", () => {
  const timeIsUp = { now: NOW + 2_000_000 + HOUR };
  const running = after(command, {
    exchange: answered(runReport(command, { state: "Running" })),
    ...late,
  });
  const silent = after(running, { ...away, now: NOW + 1_000_000, silentMs: 900_000 });
  const expired = after(edgeCommand({ spec: { ttlAfterFinished: "1h", startDeadline: "1s" } }), {
    ...away,
    now: NOW + 2_000,
  });

  test("a run that its silent node accepted is kept until the node is back, and nothing wakes it", () => {
    expect(silent.status).toMatchObject({ phase: "Unknown", run: { reason: "NodeSilent" } });
    expect(plan(observed(silent, { ...away, ...timeIsUp }))).toEqual({});
  });

  test("and is deleted once its node has said how it ended", () => {
    const told = after(silent, { ...timeIsUp, reports: [runReport(command)] });
    expect(told.status.phase).toBe("Succeeded");
    const later = { now: timeIsUp.now + HOUR };
    expect(plan(observed(told, later))).toEqual({ remove: true });
  });

  test.each([
    ["Unknown", silent],
    ["Expired", expired],
  ] as const)(
    "%s, and its node is back: it is asked, and no loop waits for that",
    (phase, over) => {
      expect(over.status.phase).toBe(phase);
      const about = plan(observed(over, timeIsUp));
      expect(about.offer).toMatchObject({ message: "command" });
      const arriving = plan(observed(over, { ...timeIsUp, node: { kind: "arriving" } }));
      const onItsWay = plan(observed(over, { ...timeIsUp, exchange: asked }));
      const paused = { ...asked, inFlight: false, dueAt: 12_000 };
      const inAWhile = plan(observed(over, { ...timeIsUp, exchange: paused }));
      expect([about, arriving, onItsWay, inAWhile].map(({ remove }) => remove)).toEqual(
        Array(4).fill(undefined),
      );
      expect(arriving).toEqual({});
      expect(onItsWay).toEqual({});
      expect(inAWhile).toEqual({ requeueAfterMs: 2_000 });
      expect(about.requeueAfterMs).toBeUndefined();
    },
  );
});

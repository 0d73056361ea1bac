import { describe, expect, test } from "vitest";

import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import { edgeCommand, NOW, observed, runReport } from "../../../support/builders.ts";
import { after, away, edited, finished } from "./planning.ts";

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

import { describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { eventFor } from "../../../../src/controller/edgecommand/events.ts";
import type { Observed } from "../../../../src/controller/edgecommand/observe.ts";
import { edgeCommand, NOW, runReport, runResult, SESSION_ID } from "../../../support/builders.ts";
import { after, answered, asked, away, edited, finished, late, withRun } from "./planning.ts";

const command = edgeCommand();
const running = answered(runReport(command, { state: "Running" }));
const skipping = edgeCommand({ spec: { offlinePolicy: "Skip" } });
const row = { uid: command.metadata.uid, epoch: 0, generation: 9 };
const sent = after(command, { exchange: asked, ...late });
const result = (overrides: Parameters<typeof runResult>[0]): Partial<Observed> => ({
  reports: [runReport(command, { result: runResult(overrides) })],
});
const unknown = withRun(command, { outcome: "Unknown", started: "Unknown", reason: "NodeSilent" });
const expired = withRun(command, { outcome: "Expired", started: "Unknown" });
const neverRan = { outcome: "Cancelled", started: "False", reason: "Cancelled" } as const;

const NOTHING = [undefined, undefined] as const;

describe("of a change of status a person is told what to notice", () => {
  test.each<
    [string, EdgeCommand, Partial<Observed>, readonly [string | undefined, string | undefined]]
  >([
    ["a success as expected", command, result({}), NOTHING],
    ["a run that lasts", command, { exchange: running, ...late }, NOTHING],
    ["a failure", command, result({ outcome: "Failed" }), ["Warning", "Failed"]],
    ["a node that is away", command, away, ["Normal", "NodeAway"]],
    [
      "a node that is unknown",
      command,
      { node: { kind: "notFound" } },
      ["Warning", "NodeNotFound"],
    ],
    [
      "a node that is silent",
      sent,
      { exchange: running, ...away, now: NOW + 1e9 },
      ["Warning", "Unknown"],
    ],
    [
      "a ledger that is lost",
      sent,
      { exchange: { ...asked, ledgerLostIn: SESSION_ID } },
      ["Warning", "Unknown"],
    ],
    [
      "a cancelled run",
      sent,
      result({ outcome: "Cancelled", reason: "Cancelled" }),
      ["Normal", "Cancelled"],
    ],
    [
      "a run that is born cancelled",
      edgeCommand({ spec: { cancel: true } }),
      {},
      ["Normal", "Cancelled"],
    ],
    [
      "a run that is being cancelled",
      edited(sent, { cancel: true }),
      { exchange: asked, ...late },
      NOTHING,
    ],
    [
      "a cancelled run whose node is away",
      edited(sent, { cancel: true }),
      away,
      ["Normal", "CancelRequested"],
    ],
    ["a skipped run", skipping, away, ["Normal", "Skipped"]],
    [
      "a run that failed for a node that is away",
      edgeCommand({ spec: { offlinePolicy: "Fail" } }),
      away,
      ["Warning", "Failed"],
    ],
    [
      "the word that it never ran",
      after(skipping, away),
      { reports: [runReport(skipping, { result: runResult(neverRan) })] },
      NOTHING,
    ],
    ["a suspended run", edited(sent, { suspend: true }), {}, NOTHING],
    [
      "a node that is ahead",
      command,
      { exchange: { ...asked, ahead: { kind: "nodeIsAhead", row } } },
      ["Warning", "NodeIsAhead"],
    ],
    ["a success over Expired", expired, result({}), ["Normal", "LateResult"]],
    ["a success over Unknown", unknown, result({}), ["Normal", "LateResult"]],
    ["a success over Skipped", after(skipping, away), result({}), ["Normal", "LateResult"]],
    ["a failure over Unknown", unknown, result({ outcome: "Failed" }), ["Warning", "LateResult"]],
    [
      "a run that goes on over Unknown",
      unknown,
      { exchange: running, ...late },
      ["Normal", "LateResult"],
    ],
    ["a deadline that was extended", expired, away, ["Normal", "NodeAway"]],
    [
      "an edit of the terms of what has ended",
      edited(finished(command), { timeout: "1h" }),
      {},
      NOTHING,
    ],
  ])("%s", (_, before, seen, [type, reason]) => {
    const next = after(before, seen);
    expect(next.status).not.toBe(before.status);
    const event = eventFor(before.status, next.status);
    expect([event?.type, event?.reason]).toEqual([type, reason]);
  });

  test("of a run that the earlier resource had run, how to run it again", () => {
    const { status } = after(command, { reports: [runReport(command, { adopted: true })] });
    const event = eventFor(command.status, status);
    expect(event).toMatchObject({ type: "Normal", reason: "AlreadyRan" });
    expect(status.run?.message).toMatch(/spec\.rerun .*generateName/);
  });
});

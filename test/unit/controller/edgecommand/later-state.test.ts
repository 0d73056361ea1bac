import { describe, expect, test } from "vitest";

import { NEW_EXCHANGE, type Exchange } from "../../../../src/controller/edgecommand/observe.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import {
  edgeCommand,
  observed,
  OTHER_UID,
  runReport,
  SESSION_ID,
} from "../../../support/builders.ts";
import { after, answered, asked, condition, edited, late } from "./planning.ts";

const command = edgeCommand({ spec: { rerun: "a" } });
const own = { uid: command.metadata.uid, epoch: 2, generation: 9 };
const others = { uid: OTHER_UID, epoch: 4, generation: 3 };

function told(ahead: NonNullable<Exchange["ahead"]>): Exchange {
  return { ...asked, inFlight: false, ahead };
}

describe.each([
  ["NodeIsAhead", told({ kind: "nodeIsAhead", row: own }), own],
  ["Superseded", told({ kind: "superseded", row: others }), others],
  ["Superseded", told({ kind: "superseded", row: { ...own } }), own],
] as const)("a cluster that went back in time: %s", (reason, exchange, row) => {
  const stalled = after(command, { exchange });

  test("is Stalled with the node's row in its status, sends nothing, and is no end", () => {
    expect(plan(observed(command, { exchange })).offer).toBeUndefined();
    expect(stalled.status).toMatchObject({ phase: "Sent", run: { reason, nodeRow: row } });
    expect(stalled.status.run?.message).toMatch(/set spec\.rerun to a new value/);
    expect(stalled.status.run?.outcome).toBeUndefined();
    const is = ["Stalled", "Ready", "Completed"].map((type) => condition(stalled.status, type));
    expect(is).toEqual(["True", "False", "False"]);
  });

  test("stays so after the controller was restarted, without another write", () => {
    expect(plan(observed(stalled))).toEqual({});
  });

  test.each([
    ["other terms", { timeout: "1h" }],
    ["another revision", { args: ["df"] }],
    ["no rerun", { rerun: "" }],
    ["another revision without a rerun", { args: ["df"], rerun: "" }],
    ["the withdrawal of it", { cancel: true }],
  ])("is not passed over by %s", (_, spec) => {
    const next = edited(stalled, spec);
    expect(plan(observed(next)).offer).toBeUndefined();
    expect(after(next).status.run?.nodeRow).toEqual(row);
    expect(condition(after(next).status, "Stalled")).toBe("True");
  });

  test("is passed over by a new rerun: a higher epoch than the row's, which is taken over", () => {
    const rerun = edited(stalled, { rerun: "b" });
    const { writeStatus, offer } = plan(observed(rerun));
    expect(writeStatus?.run).toMatchObject({ declared: 2, rerun: "b", epoch: row.epoch + 1 });
    expect(condition(writeStatus, "Stalled")).toBeUndefined();
    expect(offer).toMatchObject({ message: "command", takesOver: row.uid });
    expect(offer?.run.epoch).toBe(row.epoch + 1);
  });

  test("is taken over also by a controller that was restarted before the node has answered", () => {
    const rerun = after(edited(stalled, { rerun: "b" }));
    expect(plan(observed(rerun)).offer).toMatchObject({ takesOver: row.uid, readLive: true });
  });

  test("is over when the node has taken it: the row is forgotten, the epoch stays", () => {
    const rerun = after(edited(stalled, { rerun: "b" }));
    const report = runReport(rerun, { state: "Running", epoch: row.epoch + 1 });
    const running = after(rerun, { exchange: answered(report), ...late });
    expect(running.status.run).toMatchObject({
      epoch: row.epoch + 1,
      acceptedAt: report.acceptedAt,
    });
    expect(running.status.run?.nodeRow).toBeUndefined();
    const next = edited(running, { args: ["df"] });
    expect(plan(observed(next)).offer?.run.epoch).toBe(row.epoch + 1);
  });

  test("ends with the node's word on the very run, if it comes", () => {
    const { writeStatus } = plan(observed(stalled, { reports: [runReport(command)] }));
    expect(writeStatus).toMatchObject({ phase: "Succeeded" });
    expect(writeStatus?.run?.nodeRow).toBeUndefined();
  });
});

test("a row that is not in the way of a higher epoch is taken over, after a pause", () => {
  const rerun = edgeCommand({ generation: 2, spec: { rerun: "b" } });
  const { status } = after(
    edited(after(command, { exchange: told({ kind: "superseded", row: others }) }), { rerun: "b" }),
  );
  const moved = { ...others, uid: "99999999-9999-4999-8999-999999999999" };
  const exchange = {
    ...told({ kind: "superseded", row: moved }),
    takesOver: moved.uid,
    dueAt: 20_000,
  };
  const waiting = plan(observed({ ...rerun, status }, { exchange, monotonic: 19_000 }));
  expect(waiting.offer).toBeUndefined();
  expect(waiting.writeStatus?.run?.reason).not.toBe("Superseded");
  const { offer } = plan(observed({ ...rerun, status }, { exchange, monotonic: 20_000 }));
  expect(offer).toMatchObject({ takesOver: moved.uid });
});

test("a resource of which the node was told that it is deleted needs to be created again", () => {
  const exchange = told({ kind: "superseded" });
  const { writeStatus, offer } = plan(observed(command, { exchange }));
  expect(offer).toBeUndefined();
  expect(writeStatus).toMatchObject({ phase: "Sent", run: { reason: "Superseded" } });
  expect(writeStatus?.run?.message).toMatch(/delete it and create it again/);
  expect(condition(writeStatus, "Stalled")).toBe("True");
});

describe("a ledger that is lost", () => {
  const lost: Exchange = { ...asked, inFlight: false, ledgerLostIn: SESSION_ID };
  const unknown = after(command, { exchange: lost });

  test("makes Unknown of the run, which nobody can say has run, and says how to go on", () => {
    expect(unknown.status).toMatchObject({
      phase: "Unknown",
      run: { outcome: "Unknown", started: "Unknown", reason: "LedgerLost" },
    });
    expect(unknown.status.run?.message).toMatch(/set spec\.rerun to a new value/);
    const is = ["Ready", "Stalled", "Completed", "Succeeded"];
    expect(is.map((type) => condition(unknown.status, type))).toEqual([
      "False",
      "True",
      "True",
      "Unknown",
    ]);
  });

  test("keeps what is known of a run that was accepted", () => {
    const running = after(command, {
      exchange: answered(runReport(command, { state: "Running" })),
      ...late,
    });
    const { run } = after(running, { exchange: lost }).status;
    expect(run).toMatchObject({ outcome: "Unknown", started: "True" });
    expect(run?.startedAt).toBe(running.status.run?.startedAt);
  });

  test("has the run never offered again, whoever has forgotten what about it", () => {
    expect(plan(observed(unknown, { exchange: { ...lost, dueAt: 0, isStale: true } }))).toEqual({});
    const node = { kind: "present", sessionID: OTHER_UID } as const;
    expect(plan(observed(unknown, { exchange: lost, node })).offer).toBeUndefined();
    expect(plan(observed(unknown, { exchange: NEW_EXCHANGE })).offer).toBeUndefined();
  });

  test("has it withdrawn, once in a session, if it is cancelled", () => {
    const cancelled = edited(unknown, { cancel: true });
    expect(plan(observed(cancelled)).offer).toMatchObject({ message: "withdrawal" });
    expect(plan(observed(cancelled, { exchange: lost })).offer).toBeUndefined();
  });

  test.each([
    ["before", "2026-11-24T06:00:00.099Z", undefined],
    ["after", "2026-11-24T06:00:00.101Z", "2026-11-24T06:00:00.101Z"],
  ])(
    "is noticed by a run that an EdgeNode which was registered %s it knew",
    (_, since, expected) => {
      const running = after(command, {
        exchange: answered(runReport(command, { state: "Running" })),
        ...late,
      });
      const node = { kind: "present", sessionID: OTHER_UID, firstLedgerSince: since } as const;
      const { offer } = plan(observed(running, { exchange: NEW_EXCHANGE, node }));
      expect(offer?.message).toBe("command");
      expect(offer?.ledgerSince).toBe(expected);
    },
  );

  test("is replaced by the node's word if it has it after all", () => {
    expect(after(unknown, { reports: [runReport(command)] }).status.phase).toBe("Succeeded");
  });

  test("does not keep another what or rerun from being sent", () => {
    const next = edited(unknown, { rerun: "b" });
    expect(plan(observed(next)).offer).toMatchObject({ message: "command" });
    expect(after(next).status.history).toMatchObject([{ outcome: "Unknown", started: "Unknown" }]);
  });

  test("says nothing of a run that had another end without the node", () => {
    const skipping = edgeCommand({ spec: { offlinePolicy: "Skip" } });
    const { status } = after(skipping, { node: { kind: "notFound" }, silentMs: 1e9 });
    expect(plan(observed({ ...skipping, status }, { exchange: lost }))).toEqual({});
  });
});

import { describe, expect, test } from "vitest";

import type { EdgeCommand } from "../../../../src/api/v1alpha1/edgecommand.ts";
import { NEW_EXCHANGE, type Observed } from "../../../../src/controller/edgecommand/observe.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import { isFirm } from "../../../../src/controller/edgecommand/run.ts";
import { edgeCommand, NOW, observed, runReport, runResult } from "../../../support/builders.ts";
import { after, answered, asked, away, condition, edited, finished, late } from "./planning.ts";

const first = edgeCommand();
const sent = after(first, { exchange: asked, ...late });
const running = after(first, {
  exchange: answered(runReport(first, { state: "Running" })),
  ...late,
});
const cancelledResult = runResult({
  outcome: "Cancelled",
  started: "False",
  reason: "Cancelled",
  message: "It was cancelled.",
});

const cancelled = (command: EdgeCommand): EdgeCommand => edited(command, { cancel: true });

describe("a command that is created cancelled", () => {
  const born = edgeCommand({ spec: { cancel: true } });

  test("ends at once, by one write, without a message, and never ran", () => {
    const { writeStatus, offer } = plan(observed(born));
    expect(writeStatus).toMatchObject({
      phase: "Cancelled",
      run: { outcome: "Cancelled", started: "False", declared: 1 },
    });
    expect(offer).toBeUndefined();
    expect(isFirm(writeStatus?.run)).toBe(true);
    expect(plan(observed(after(born)))).toEqual({});
  });

  test("is not said of one that somebody has a run of", () => {
    const { status } = sent;
    expect(plan(observed({ ...born, status })).offer).toMatchObject({ message: "withdrawal" });
  });

  test("does so as well while its node is away", () => {
    expect(plan(observed(born, away)).writeStatus).toMatchObject({ phase: "Cancelled" });
  });

  test("is not revived by taking that back", () => {
    const { offer, writeStatus } = plan(observed(edited(after(born), { cancel: false })));
    expect(offer).toBeUndefined();
    expect(writeStatus).toMatchObject({ phase: "Cancelled", observedGeneration: 2 });
  });

  test("runs when another what is declared", () => {
    const { offer } = plan(observed(edited(after(born), { cancel: false, rerun: "now" })));
    expect(offer).toMatchObject({ message: "command" });
  });
});

describe("cancelling what may have been sent", () => {
  test("offers a withdrawal instead of the command, after a live read", () => {
    const { offer } = plan(observed(cancelled(sent)));
    expect(offer).toMatchObject({ message: "withdrawal", readLive: true });
    expect(offer?.run).toMatchObject({ declared: 1 });
  });

  test("is written first if etcd does not name the run, as it may have been sent without", () => {
    const { writeStatus, offer } = plan(
      observed(edgeCommand({ generation: 2, spec: { cancel: true } })),
    );
    expect(writeStatus?.run).toMatchObject({ declared: 2 });
    expect(writeStatus?.run?.outcome).toBeUndefined();
    expect(offer).toMatchObject({ message: "withdrawal" });
  });

  test("offers it again after its back-off and not before", () => {
    const exchange = { ...asked, inFlight: false, dueAt: 20_000 };
    const command = cancelled(sent);
    expect(plan(observed(command, { exchange, monotonic: 19_999 })).offer).toBeUndefined();
    expect(plan(observed(command, { exchange, monotonic: 20_000 })).offer).toMatchObject({
      message: "withdrawal",
      readLive: true,
    });
  });

  test("offers nothing more once the node has taken it, until there is a reason to ask", () => {
    const report = runReport(first, { state: "Running", generation: 2 });
    const exchange = answered(report);
    expect(plan(observed(cancelled(running), { exchange })).offer).toBeUndefined();
    const hurried = { ...exchange, isStale: true, dueAt: 0 };
    expect(plan(observed(cancelled(running), { exchange: hurried })).offer).toMatchObject({
      message: "withdrawal",
    });
  });

  test("takes over the row of an earlier resource, as an offer does", () => {
    const takesOver = "22222222-2222-4222-8222-222222222222";
    const exchange = { ...NEW_EXCHANGE, tries: 1, takesOver };
    expect(plan(observed(cancelled(sent), { exchange })).offer).toMatchObject({ takesOver });
  });

  interface Shown {
    readonly when: string;
    readonly command: EdgeCommand;
    readonly seen: Partial<Observed>;
    readonly phase: string;
    readonly message: RegExp;
  }
  const unanswered: Partial<Observed> = { exchange: asked };

  test.each<Shown>([
    {
      when: "it was sent",
      command: sent,
      seen: unanswered,
      phase: "Sent",
      message: /It is withdrawn; the node has not acknowledged it/,
    },
    {
      when: "it was sent, and the broker is down",
      command: sent,
      seen: { brokerDownMs: 5_000 },
      phase: "Sent",
      message: /it is withdrawn when there is one again/,
    },
    {
      when: "it was sent, and the node is away",
      command: sent,
      seen: away,
      phase: "WaitingForNode",
      message: /It is withdrawn when it is back/,
    },
    {
      when: "it was sent, and there is no such node any more",
      command: sent,
      seen: { node: { kind: "notFound" } },
      phase: "WaitingForNode",
      message: /no EdgeNode "ship1".* It is withdrawn as soon as that node registers/,
    },
    {
      when: "it runs",
      command: running,
      seen: unanswered,
      phase: "Running",
      message: /told to end it/,
    },
    {
      when: "it ran, and the node is away",
      command: running,
      seen: away,
      phase: "WaitingForNode",
      message: /It is withdrawn when it is back/,
    },
  ])("is shown, and is no end, when $when", ({ command, seen, phase, message }) => {
    const { writeStatus } = plan(observed(cancelled(command), { ...late, ...seen }));
    expect(writeStatus).toMatchObject({ phase, run: { reason: "CancelRequested" } });
    expect(writeStatus?.run?.message).toMatch(message);
    expect(writeStatus?.run?.outcome).toBeUndefined();
    expect(condition(writeStatus, "Reconciling")).toBe("True");
    expect(condition(writeStatus, "Completed")).toBe("False");
  });

  test("costs one write if the node answers within a second", () => {
    const command = cancelled(running);
    expect(plan(observed(command)).writeStatus).toBeUndefined();
    const result = { ...cancelledResult, started: "True" as const };
    const report = runReport(first, { generation: 2, result });
    const ended = after(command, { exchange: asked, reports: [report] });
    expect(ended.status).toMatchObject({ phase: "Cancelled", run: { started: "True" } });
    expect(plan(observed(ended))).toEqual({});
  });
});

describe("the races of a cancellation", () => {
  const completion = runReport(first);
  const withdrawn = runReport(first, { generation: 2, result: cancelledResult });

  test("a completion before it stays as it is", () => {
    const ended = finished(sent);
    const { writeStatus, offer } = plan(observed(cancelled(ended)));
    expect(writeStatus).toMatchObject({ phase: "Succeeded", observedGeneration: 2 });
    expect(offer).toBeUndefined();
  });

  test("a completion that the node reports after it was requested is the outcome", () => {
    const ended = after(cancelled(running), { reports: [completion] });
    expect(ended.status).toMatchObject({ phase: "Succeeded" });
    expect(plan(observed(ended)).offer).toBeUndefined();
  });

  test("a completion that answers the withdrawal is the outcome", () => {
    const known = { ...completion, generation: 2 };
    expect(after(cancelled(running), { reports: [known] }).status.phase).toBe("Succeeded");
  });

  test("a withdrawal that overtakes its command ends it for good: it never ran and never will", () => {
    const ended = after(cancelled(sent), { reports: [withdrawn] });
    expect(ended.status).toMatchObject({
      phase: "Cancelled",
      run: { outcome: "Cancelled", started: "False" },
    });
    expect(condition(ended.status, "Ready")).toBe("True");
    expect(isFirm(ended.status.run)).toBe(true);
  });

  test("taken back before the node has answered, the run goes on as if nothing had been", () => {
    const goesOn = edited(after(cancelled(sent), away), { cancel: false });
    expect(plan(observed(goesOn)).offer).toMatchObject({ message: "command" });
    const runs = edited(after(cancelled(running), away), { cancel: false });
    expect(after(runs, away).status).toMatchObject({
      phase: "Running",
      run: { reason: "Running" },
    });
  });

  test("taken back after the node has answered, it stays cancelled", () => {
    const back = edited(cancelled(sent), { cancel: false });
    const ended = after(back, { reports: [withdrawn] });
    expect(ended.status.phase).toBe("Cancelled");
    expect(plan(observed(ended)).offer).toBeUndefined();
  });

  test("over an expired run it is withdrawn all the same, and the node's word is the end", () => {
    const expiring = edgeCommand({ spec: { startDeadline: "1s" } });
    const expired = after(expiring, { ...away, now: NOW + 60_000 });
    const command = cancelled(expired);
    expect(plan(observed(command, { now: NOW + 60_000 })).offer).toMatchObject({
      message: "withdrawal",
    });
    expect(after(command, { reports: [withdrawn] }).status).toMatchObject({
      phase: "Cancelled",
      run: { started: "False" },
    });
  });

  test("wins over suspending, both set at once", () => {
    const both = edited(sent, { cancel: true, suspend: true });
    expect(plan(observed(both)).offer).toMatchObject({ message: "withdrawal" });
  });
});

import { describe, expect, test } from "vitest";

import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import { CREATED, edgeCommand, NOW, observed, runReport } from "../../../support/builders.ts";
import { after, answered, asked, away, edited, finished, late } from "./planning.ts";

const born = edgeCommand({ spec: { suspend: true, startDeadline: "30s" } });
const LATER = NOW + 3_600_000;
const at = (ms: number): string => new Date(ms).toISOString();

describe("a suspended command", () => {
  test("is not sent, and says so by one write", () => {
    const { writeStatus, offer } = plan(observed(born));
    expect(offer).toBeUndefined();
    expect(writeStatus).toMatchObject({
      phase: "Suspended",
      observedGeneration: 1,
      run: { reason: "Suspended", suspendedAt: at(NOW) },
    });
    expect(plan(observed(after(born), { now: LATER }))).toEqual({});
  });

  test.each([
    ["present", {}],
    ["away", away],
    ["unknown", { ...away, node: { kind: "notFound" } }],
    ["there, and the broker is not", { brokerDownMs: 60_000 }],
  ] as const)("is Suspended while its node is %s", (_, seen) => {
    expect(plan(observed(born, seen)).writeStatus?.phase).toBe("Suspended");
  });

  test("is current to kstatus: it is neither Ready nor Reconciling nor Stalled", () => {
    const types = after(born).status.conditions?.map(({ type, status }) => `${type}=${status}`);
    expect(types).toEqual(["Accepted=False", "Completed=False", "Succeeded=Unknown"]);
  });

  test.each(["Accepted", "Declared"] as const)(
    "claims nothing with readyWhen %s either",
    (readyWhen) => {
      const { status } = after(edgeCommand({ spec: { suspend: true, readyWhen } }));
      expect(status.conditions?.map(({ type }) => type)).not.toContain("Ready");
    },
  );

  test("does not expire", () => {
    expect(plan(observed(after(born), { now: LATER }))).toEqual({});
  });

  test("is not skipped for a node that is away, before it is resumed", () => {
    const skipping = edgeCommand({ spec: { suspend: true, offlinePolicy: "Skip" } });
    const held = after(skipping, away);
    expect(held.status.phase).toBe("Suspended");
    expect(after(edited(held, { suspend: false }), away).status.phase).toBe("Skipped");
  });

  test("with another what declares that, and holds it back", () => {
    const { writeStatus, offer } = plan(observed(edited(after(born), { args: ["df"] })));
    expect(writeStatus).toMatchObject({ phase: "Suspended", run: { declared: 2 } });
    expect(offer).toBeUndefined();
  });
});

describe("resuming", () => {
  const resumed = edited(after(born), { suspend: false });

  test("is written before it is sent: the deadline counts from here, the request stays when it was", () => {
    const { writeStatus, offer } = plan(observed(resumed, { now: LATER }));
    expect(writeStatus?.run).toMatchObject({
      declared: 1,
      requestedAt: CREATED,
      resumedAt: at(LATER),
    });
    expect(writeStatus?.run?.suspendedAt).toBeUndefined();
    expect(writeStatus?.run?.outcome).toBeUndefined();
    expect(offer).toMatchObject({ message: "command", readLive: true });
    expect(offer?.run).toMatchObject({ requestedAt: CREATED, resumedAt: at(LATER) });
  });

  test("lets the deadline expire it from then on", () => {
    const going = after(resumed, { now: LATER, ...away });
    expect(plan(observed(going, { now: LATER + 29_999, ...away })).writeStatus).toBeUndefined();
    expect(plan(observed(going, { now: LATER + 30_000, ...away })).writeStatus).toMatchObject({
      phase: "Expired",
    });
  });

  test("twice does not move the deadline again", () => {
    const going = after(resumed, { now: LATER });
    const { run } = after(going, { now: LATER + 5_000, exchange: asked, ...late }).status;
    expect(run?.resumedAt).toBe(at(LATER));
  });
});

describe("suspending what may have been sent", () => {
  const first = edgeCommand();
  const sent = after(first, { exchange: asked, ...late });
  const suspended = after(edited(sent, { suspend: true }));

  test("without an answer sends nothing more", () => {
    expect(suspended.status.phase).toBe("Suspended");
    expect(plan(observed(suspended)).offer).toBeUndefined();
  });

  test("takes its result all the same", () => {
    const { writeStatus } = plan(observed(suspended, { reports: [runReport(first)] }));
    expect(writeStatus).toMatchObject({ phase: "Succeeded" });
    expect(writeStatus?.run?.suspendedAt).toBeUndefined();
  });

  test("when the node has accepted it changes nothing: it goes on and is shown as it is", () => {
    const report = runReport(first, { state: "Running" });
    const running = after(first, { exchange: answered(report), ...late });
    const command = edited(running, { suspend: true });
    const { writeStatus, offer } = plan(observed(command, { exchange: answered(report), ...late }));
    expect(writeStatus).toMatchObject({ phase: "Running", observedGeneration: 2 });
    expect(writeStatus?.run?.suspendedAt).toBeUndefined();
    expect(offer).toBeUndefined();
    expect(plan(observed(command)).offer).toMatchObject({ message: "command" });
  });

  test("leaves what has ended as it is", () => {
    expect(after(edited(finished(first), { suspend: true })).status.phase).toBe("Succeeded");
  });

  test("keeps an end that is not firm, and does not ask after it", () => {
    const skipped = after(edgeCommand({ spec: { offlinePolicy: "Skip" } }), away);
    const held = edited(skipped, { suspend: true });
    expect(plan(observed(held)).offer).toBeUndefined();
    expect(after(held).status.phase).toBe("Skipped");
  });
});

describe("an expired command that is suspended", () => {
  const expired = after(edgeCommand({ spec: { startDeadline: "1s" } }), {
    ...away,
    now: NOW + 2_000,
  });
  const seen = { now: NOW + 5_000 };

  test.each([
    ["present", {}],
    ["away", away],
  ] as const)("together with an extended deadline is held back: its node is %s", (_, node) => {
    const { writeStatus, offer } = plan(
      observed(edited(expired, { suspend: true, startDeadline: "10h" }), { ...seen, ...node }),
    );
    expect(offer).toBeUndefined();
    expect(writeStatus).toMatchObject({
      phase: "Suspended",
      observedGeneration: 2,
      run: { declared: 1, reason: "Suspended", suspendedAt: at(NOW + 5_000) },
    });
    expect(writeStatus?.run?.outcome).toBeUndefined();
  });

  test("alone stays expired", () => {
    expect(after(edited(expired, { suspend: true }), seen).status.phase).toBe("Expired");
  });
});

test("a cancelled command that was held back is withdrawn, once that is written", () => {
  const cancelled = edited(after(born), { cancel: true });
  const { writeStatus, offer } = plan(observed(cancelled, { now: LATER }));
  expect(writeStatus?.run).toMatchObject({ resumedAt: at(LATER) });
  expect(writeStatus?.run?.outcome).toBeUndefined();
  expect(offer).toMatchObject({ message: "withdrawal" });
});

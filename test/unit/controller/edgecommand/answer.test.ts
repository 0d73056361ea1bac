import { describe, expect, test } from "vitest";

import { afterOffer, type OfferOutcome } from "../../../../src/controller/edgecommand/answer.ts";
import { NEW_EXCHANGE } from "../../../../src/controller/edgecommand/observe.ts";
import { edgeCommand, OTHER_UID, runReport, SESSION_ID } from "../../../support/builders.ts";

const command = edgeCommand();
const context = {
  exchange: { ...NEW_EXCHANGE, tries: 1, inFlight: true },
  message: "command",
  sessionID: SESSION_ID,
  readLive: true,
  monotonic: 50_000,
  random: () => 1,
} as const;
const row = { uid: OTHER_UID, epoch: 0, generation: 7 };

describe("an offer that came to nothing is made again after a back-off", () => {
  test.each([
    [{ kind: "timeout" }, "AwaitingAck"],
    [{ kind: "disconnected" }, "BrokerUnavailable"],
    [{ kind: "noResponders" }, "NoResponders"],
    [{ kind: "unread", problem: "API server away" }, "ApiServerUnavailable"],
    [{ kind: "malformed", problem: "payload: nonsense" }, "MalformedAck"],
    [
      { kind: "answered", ack: { answer: "refused", reason: "NotReady", message: "starting" } },
      "NodeBusy",
    ],
    [{ kind: "answered", ack: { answer: "refused", reason: "Busy", message: "full" } }, "NodeBusy"],
    [{ kind: "answered", ack: { answer: "absent" } }, "MalformedAck"],
    [
      { kind: "answered", ack: { answer: "refused", reason: "Stale", message: "old" } },
      "RefusedStale",
    ],
  ] as const satisfies readonly (readonly [OfferOutcome, string])[])("%o", (outcome, reason) => {
    const { exchange } = afterOffer(outcome, context);
    expect(exchange.failure?.reason).toBe(reason);
    expect(exchange.dueAt).toBe(51_000);
    const later = afterOffer(outcome, { ...context, exchange: { ...context.exchange, tries: 20 } });
    expect(later.exchange.dueAt).toBe(50_000 + 60_000);
  });
});

test("nobody at the broker means that the node is gone; it is tried again with back-off if it is not", () => {
  expect(afterOffer({ kind: "noResponders" }, context)).toMatchObject({
    exchange: { dueAt: 51_000, failure: { reason: "NoResponders" } },
    nodeIsGone: true,
  });
  expect(afterOffer({ kind: "timeout" }, context)).not.toHaveProperty("nodeIsGone");
});

test("a wrong session makes the controller ask for a hello", () => {
  const ack = { answer: "refused", reason: "WrongSession", message: "another" } as const;
  expect(afterOffer({ kind: "answered", ack }, context).askForHello).toBe(true);
});

test("a run that has ended is handed on like a result", () => {
  const run = runReport(command);
  expect(afterOffer({ kind: "answered", ack: { answer: "known", run } }, context).finished).toBe(
    run,
  );
});

describe("a run that goes on", () => {
  const run = runReport(command, { state: "Accepted" });
  const accepted = { kind: "answered", ack: { answer: "accepted", run } } as const;

  test("is remembered, and as confirmed when it was asked for again", () => {
    const first = afterOffer(accepted, context);
    expect(first.exchange).toMatchObject({ report: run, reportedAt: 50_000, confirmed: false });
    const again = { ...context, exchange: { ...context.exchange, report: run } };
    expect(afterOffer(accepted, again).exchange).toMatchObject({ report: run, confirmed: true });
  });

  test("is confirmed at once if it was withdrawn: it does not start any more", () => {
    const withdrawn = { ...context, message: "withdrawal" } as const;
    expect(afterOffer(accepted, withdrawn).exchange.confirmed).toBe(true);
  });

  test("makes an end of what stood in its way", () => {
    const { exchange } = afterOffer(accepted, context);
    expect(exchange).toHaveProperty("ahead", undefined);
    expect(exchange).toHaveProperty("ledgerLostIn", undefined);
    expect(exchange).toHaveProperty("failure", undefined);
  });
});

test("a lost ledger is remembered with the session that said so, and what it said before is not", () => {
  const outcome = { kind: "answered", ack: { answer: "ledgerLost" } } as const;
  expect(afterOffer(outcome, context).exchange).toMatchObject({
    ledgerLostIn: SESSION_ID,
    report: undefined,
  });
});

test("a needed takeover is offered at once, and with back-off if it does not help", () => {
  const outcome = { kind: "answered", ack: { answer: "takeoverNeeded", row } } as const;
  expect(afterOffer(outcome, context).exchange).toMatchObject({
    takesOver: OTHER_UID,
    dueAt: 0,
  });
  const taking = { ...context, exchange: { ...context.exchange, takesOver: OTHER_UID } };
  expect(afterOffer(outcome, taking).exchange.dueAt).toBe(51_000);
});

describe.each([
  ["nodeIsAhead", "NodeIsAhead", row],
  ["superseded", "Superseded", row],
] as const)("%s", (answer, reason, of) => {
  const outcome = { kind: "answered", ack: { answer, row: of } } as const;

  test("is believed only if the resource was read right before", () => {
    expect(afterOffer(outcome, { ...context, readLive: false }).exchange).toEqual({ dueAt: 0 });
    expect(afterOffer(outcome, context).exchange).toMatchObject({
      ahead: { kind: answer, row: of },
      takesOver: of.uid,
      report: undefined,
      failure: { reason },
    });
  });

  test("is followed by a pause: it may be offered again with what is to be taken over", () => {
    expect(afterOffer(outcome, context).exchange.dueAt).toBe(51_000);
  });
});

test("the row of a third resource takes the place of the one that was to be taken over", () => {
  const exchange = { ...context.exchange, ahead: { kind: "superseded", row } as const };
  const third = { ...row, uid: "99999999-9999-4999-8999-999999999999" };
  const outcome = { kind: "answered", ack: { answer: "takeoverNeeded", row: third } } as const;
  const after = afterOffer(outcome, { ...context, exchange });
  expect(after.exchange).toMatchObject({ takesOver: third.uid, dueAt: 0 });
  expect(after.exchange).toHaveProperty("ahead", undefined);
});

test("a resource that the node was told is deleted is superseded by no row", () => {
  const outcome = { kind: "answered", ack: { answer: "superseded" } } as const;
  expect(afterOffer(outcome, context).exchange.ahead).toEqual({ kind: "superseded" });
});

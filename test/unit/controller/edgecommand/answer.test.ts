import { describe, expect, test } from "vitest";

import { afterOffer, type OfferOutcome } from "../../../../src/controller/edgecommand/answer.ts";
import { NEW_EXCHANGE } from "../../../../src/controller/edgecommand/observe.ts";
import { edgeCommand, OTHER_UID, runReport } from "../../../support/builders.ts";

const command = edgeCommand();
const context = {
  exchange: { ...NEW_EXCHANGE, tries: 1, inFlight: true },
  readLive: true,
  monotonic: 50_000,
  random: () => 1,
};
const row = { uid: OTHER_UID, generation: 7 };

describe("an offer that came to nothing is made again after a back-off", () => {
  test.each([
    [{ kind: "timeout" }, "AwaitingAck"],
    [{ kind: "disconnected" }, "BrokerUnavailable"],
    [{ kind: "unread", problem: "API server away" }, "ApiServerUnavailable"],
    [{ kind: "malformed", problem: "payload: nonsense" }, "MalformedAck"],
    [
      { kind: "answered", ack: { answer: "refused", reason: "NotReady", message: "starting" } },
      "NodeBusy",
    ],
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

test("nobody at the broker means that the node is gone, and is no failure of the offer", () => {
  expect(afterOffer({ kind: "noResponders" }, context)).toEqual({
    exchange: { dueAt: 0 },
    nodeIsGone: true,
  });
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

test("a run that goes on is remembered, and as confirmed when it was asked for again", () => {
  const run = runReport(command, { state: "Accepted" });
  const first = afterOffer({ kind: "answered", ack: { answer: "accepted", run } }, context);
  expect(first.exchange).toEqual({ report: run, confirmed: false, isStale: false });
  const again = { ...context, exchange: { ...context.exchange, report: run } };
  const second = afterOffer({ kind: "answered", ack: { answer: "known", run } }, again);
  expect(second.exchange).toEqual({ report: run, confirmed: true, isStale: false });
});

test("a needed takeover is offered at once, and with back-off if it does not help", () => {
  const outcome = { kind: "answered", ack: { answer: "takeoverNeeded", row } } as const;
  expect(afterOffer(outcome, context).exchange).toEqual({ takesOver: OTHER_UID, dueAt: 0 });
  const taking = { ...context, exchange: { ...context.exchange, takesOver: OTHER_UID } };
  expect(afterOffer(outcome, taking).exchange.dueAt).toBe(51_000);
});

test.each(["nodeIsAhead", "superseded"] as const)(
  "%s is believed only if the resource was read right before",
  (answer) => {
    const outcome = { kind: "answered", ack: { answer, row } } as const;
    expect(afterOffer(outcome, { ...context, readLive: false }).exchange).toEqual({ dueAt: 0 });
    expect(afterOffer(outcome, context).exchange).toEqual({
      ahead: { kind: answer, generation: 7 },
    });
  },
);

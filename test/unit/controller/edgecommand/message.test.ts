import { expect, test } from "vitest";

import { commandFor, withdrawalFor } from "../../../../src/controller/edgecommand/message.ts";
import { commandMessage } from "../../../../src/protocol/command.ts";
import { decodeMessage, encodeMessage } from "../../../../src/protocol/envelope.ts";
import { ANYONE, NO_SIGNERS } from "../../../../src/protocol/signature.ts";
import { withdrawalMessage } from "../../../../src/protocol/withdrawal.ts";
import { edgeCommand, NOW, OTHER_UID, SESSION_ID } from "../../../support/builders.ts";

const to = {
  clusterID: OTHER_UID,
  sessionID: SESSION_ID,
  ledgerSince: "2026-11-24T05:00:00Z",
  run: {
    declared: 2,
    revision: `v1:${"0".repeat(32)}`,
    rerun: "b",
    epoch: 3,
    requestedAt: "2026-11-24T06:00:00Z",
  },
  takesOver: OTHER_UID,
  now: NOW,
};
const command = edgeCommand({
  generation: 4,
  spec: {
    timeout: "90s",
    startDeadline: "1m",
    retry: { limit: 2, backoff: "0.4ms", maxBackoff: "10m" },
    idempotent: true,
  },
});
const which = {
  uid: command.metadata.uid,
  epoch: 3,
  generation: 4,
  declared: 2,
  rerun: "b",
  requestedAt: "2026-11-24T06:00:00.000Z",
  ledgerSince: "2026-11-24T05:00:00.000Z",
  takesOver: OTHER_UID,
  signedAt: new Date(NOW).toISOString(),
};

test("a command says which run it is, and on what terms it is to be run", () => {
  const message = commandFor(command, to);
  expect(message).toMatchObject({
    ...which,
    terms: {
      timeoutMs: 90_000,
      startBy: "2026-11-24T06:01:00.000Z",
      retry: { limit: 2, backoffMs: 1, maxBackoffMs: 600_000 },
      idempotent: true,
    },
  });
  expect(
    decodeMessage(commandMessage, encodeMessage(commandMessage, message, NO_SIGNERS), ANYONE),
  ).toEqual(message);
});

test("the start deadline of what was suspended counts from when it was resumed", () => {
  const run = { ...to.run, resumedAt: "2026-11-24T07:00:00.000Z" };
  const { terms, requestedAt } = commandFor(command, { ...to, run });
  expect(terms.startBy).toBe("2026-11-24T07:01:00.000Z");
  expect(requestedAt).toBe(which.requestedAt);
});

test("a withdrawal says which run it is, and nothing of what it would do", () => {
  const message = withdrawalFor(command, to);
  expect(message).toMatchObject({ ...which, scope: "run" });
  expect(message).not.toHaveProperty("work");
  expect(
    decodeMessage(withdrawalMessage, encodeMessage(withdrawalMessage, message, NO_SIGNERS), ANYONE),
  ).toEqual(message);
});

test("what there is nothing to say of is left out", () => {
  const message = commandFor(edgeCommand(), {
    ...to,
    ledgerSince: undefined,
    takesOver: undefined,
  });
  expect(Object.keys(message)).not.toContain("ledgerSince");
  expect(Object.keys(message)).not.toContain("takesOver");
  expect(message.terms.startBy).toBeUndefined();
  expect(
    decodeMessage(commandMessage, encodeMessage(commandMessage, message, NO_SIGNERS), ANYONE),
  ).toEqual(message);
});

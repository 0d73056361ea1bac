import { expect, test } from "vitest";
import { refusalOf, type Admission } from "../../../src/agent/admission.ts";
import type { Refusal } from "../../../src/protocol/ack.ts";
import { CLUSTER_ID, command, deletion, withdrawal, type Offer } from "./controller-side.ts";

const SESSION = "5e5e5e5e-0000-4000-8000-000000000001";
const OTHER = "0f0f0f0f-0000-4000-8000-000000000001";
const NOW = Date.parse("2026-11-24T06:00:00.000Z");
const own: Admission = {
  node: "ship1",
  namespace: "default",
  clusterID: CLUSTER_ID,
  sessionID: SESSION,
  now: NOW,
};

interface Case {
  readonly name: string;
  readonly offer?: Offer;
  readonly subject?: { node?: string; method?: string };
  readonly want: Refusal | undefined;
}

function signed(ageMs: number): Offer {
  return { signedAt: new Date(NOW - ageMs).toISOString() };
}

const cases: Case[] = [
  { name: "what is for this agent now", want: undefined },
  { name: "what is for another node", offer: { node: "ship2" }, want: "WrongNode" },
  { name: "what came on another node's subject", subject: { node: "ship2" }, want: "WrongNode" },
  { name: "what came on another method's subject", subject: { method: "exec" }, want: "Malformed" },
  { name: "another namespace", offer: { namespace: "other" }, want: "WrongNamespace" },
  { name: "another cluster", offer: { clusterID: OTHER }, want: "WrongCluster" },
  { name: "another session", offer: { sessionID: OTHER }, want: "WrongSession" },
  { name: "what is as old as it may be", offer: signed(60_000), want: undefined },
  { name: "what is older", offer: signed(60_001), want: "Stale" },
  { name: "what is as far in the future as it may be", offer: signed(-60_000), want: undefined },
  { name: "what is further in the future", offer: signed(-60_001), want: "Stale" },
  { name: "what was signed at no moment", offer: { signedAt: "never" }, want: "Stale" },
];

test.each(cases)("admits or refuses $name", ({ offer = {}, subject = {}, want }) => {
  const made = command({ sessionID: SESSION, ...signed(0), ...offer });
  const parts = {
    node: "ship1",
    direction: "command",
    method: "shellcommand",
    ...subject,
  } as const;
  expect(refusalOf(made, parts, own)?.reason).toBe(want);
});

test.each(cases.filter(({ name }) => !name.includes("method")))(
  "admits or refuses a withdrawal likewise: $name",
  ({ offer = {}, subject = {}, want }) => {
    const {
      work: _work,
      terms: _terms,
      ...address
    } = { ...signed(0), sessionID: SESSION, ...offer };
    const parts = { node: "ship1", direction: "command", method: "cancel", ...subject } as const;
    for (const message of [withdrawal(address), deletion(address)]) {
      expect(refusalOf(message, parts, own)?.reason).toBe(want);
    }
  },
);

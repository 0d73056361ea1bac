import type { EdgeNodeStatus } from "../../api/v1alpha1/edgenode.ts";
import type { Hello } from "../../protocol/hello.ts";
import type { NodeEntry } from "./registry.ts";

/** The highest counter that was heard of each of a node's ledgers, the latest ledger last. */
export type LedgerCounters = ReadonlyMap<string, number>;

/** Ledgers of one node that are remembered: whoever brings back an older one is taken at their word. */
const MAX_LEDGERS = 4;

export function withCounter(
  before: LedgerCounters,
  { ledgerID, ledgerCounter }: Pick<Hello, "ledgerID" | "ledgerCounter">,
): LedgerCounters {
  const highest = Math.max(ledgerCounter, before.get(ledgerID) ?? 0);
  const others = [...before].filter(([id]) => id !== ledgerID).slice(1 - MAX_LEDGERS);
  return new Map([...others, [ledgerID, highest]]);
}

/** A ledger that has forgotten runs: how many it has taken on, and how many it had. */
export interface Rollback {
  readonly has: number;
  readonly had: number;
}

/**
 * Whether a node's ledger is an earlier copy of the one that it had: a counter only grows, so one that is lower
 * than what this process has heard, or than what its EdgeNode has, was put back.
 */
export function rollbackOf(
  { hello, ledgerID, counters }: Pick<NodeEntry, "hello" | "ledgerID" | "counters">,
  status: Pick<EdgeNodeStatus, "ledgerID" | "ledgerCounter"> | undefined,
): Rollback | undefined {
  if (hello === undefined) return undefined;
  const recorded = status?.ledgerID === ledgerID ? (status.ledgerCounter ?? 0) : 0;
  const had = Math.max(recorded, counters.get(ledgerID) ?? 0);
  return hello.ledgerCounter < had ? { has: hello.ledgerCounter, had } : undefined;
}

export function rollbackMessage({ has, had }: Rollback): string {
  return (
    `The ledger on the node is an earlier copy of itself: it had taken on ${had} runs and knows of ${has}. ` +
    "Nothing is sent to the node, for it might run again what it has forgotten. Bring the later ledger back, " +
    "or remove the ledger (ledger.db in the agent's data directory) and restart the agent: what it had run " +
    "is unknown then."
  );
}

export type LedgerStatus = Pick<
  EdgeNodeStatus,
  "ledgerID" | "ledgerSince" | "previousLedgerID" | "ledgerCounter"
>;

/**
 * What an EdgeNode says of its node's ledger. That there was another one before, a status never forgets: it
 * follows from the status that is replaced, and only from that very version.
 */
export function ledgerStatus(
  status: EdgeNodeStatus,
  { sessionID, ledgerID, ledgerCounter }: Pick<Hello, "sessionID" | "ledgerID" | "ledgerCounter">,
  now: string,
): LedgerStatus {
  if (status.ledgerID !== ledgerID) {
    const previous = status.ledgerID === undefined ? {} : { previousLedgerID: status.ledgerID };
    return { ledgerID, ledgerSince: now, ...previous, ledgerCounter };
  }
  const isSameSession = status.session?.id === sessionID;
  return {
    ledgerID,
    ledgerSince: status.ledgerSince ?? now,
    ledgerCounter: isSameSession ? (status.ledgerCounter ?? ledgerCounter) : ledgerCounter,
  };
}

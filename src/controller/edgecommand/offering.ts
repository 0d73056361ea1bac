import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { isOverdue } from "./deadlines.ts";
import type { Exchange, MessageKind, Observed } from "./observe.ts";
import { isGivenUp } from "./given-up.ts";
import { isBehindItsNode, isFirm } from "./run.ts";

/** Sent, Accepted and Running are written only when they last longer: a quick command costs one write. */
export const SETTLE_MS = 1_000;

/** How often a node is asked for a run of which it should have told the end. */
export const ASK_AGAIN_MS = 300_000;

/** What is to be said to the node in its present session. */
export interface Offer {
  readonly message: MessageKind;
  readonly run: RunStatus;
  readonly sessionID: string;
  readonly ledgerSince: string | undefined;
  /** What secrets for the node are sealed to. */
  readonly sealingKey: string | undefined;
  readonly takesOver: string | undefined;
  /** It may have been sent before: the resource is read from the API server first. */
  readonly readLive: boolean;
}

/** What the node is still to be told of a run; undefined: nothing, as things are. */
function messageFor(run: RunStatus, observed: Observed): MessageKind | undefined {
  const { cancel, suspend } = observed.command.spec;
  if (isFirm(run) || isBlocked(run, observed)) return undefined;
  // Taken back before the node has answered a withdrawal, it goes on as if it had never been cancelled.
  if (cancel) return "withdrawal";
  // Should the node get that ledger back, it tells by itself; to offer it again could only run it twice.
  if (run.outcome === "Unknown" && run.reason === "LedgerLost") return undefined;
  if (suspend && run.acceptedAt === undefined) return undefined;
  return isGivenUp(run) ? "withdrawal" : "command";
}

/** Nothing is sent until somebody acts, or the node is another. */
function isBlocked(run: RunStatus, { exchange, node }: Observed): boolean {
  if (isBehindItsNode(run)) return true;
  if (exchange.ahead !== undefined && exchange.ahead.row === undefined) return true;
  return node.kind === "present" && exchange.ledgerLostIn === node.sessionID;
}

/**
 * Since when the node has had a ledger that is not its first. An EdgeNode that was deleted and created again
 * does not remember that there was another; a run that was accepted before it existed does.
 */
function ledgerSinceFor(
  { acceptedAt }: RunStatus,
  { ledgerSince, firstLedgerSince }: Extract<Observed["node"], { kind: "present" }>,
): string | undefined {
  if (ledgerSince !== undefined || firstLedgerSince === undefined) return ledgerSince;
  const isOlder = acceptedAt !== undefined && Date.parse(acceptedAt) < Date.parse(firstLedgerSince);
  return isOlder ? firstLedgerSince : undefined;
}

/** When the node is to be told it, on the monotonic clock; undefined: not as things are. */
export function offerAt(run: RunStatus, observed: Observed): number | undefined {
  const { exchange, node, brokerDownMs } = observed;
  if (node.kind !== "present" || brokerDownMs !== undefined || exchange.inFlight) return undefined;
  return messageFor(run, observed) === undefined ? undefined : askAt(run, observed);
}

/** When the node is to be asked what it has, which is the same as offering it again. */
function askAt(run: RunStatus, observed: Observed): number | undefined {
  const { exchange } = observed;
  if (exchange.report === undefined || exchange.isStale) return exchange.dueAt;
  if (needsConfirmation(exchange)) {
    return Math.max(exchange.dueAt, (exchange.firstTryAt ?? 0) + SETTLE_MS);
  }
  if (!isOverdue(run, observed)) return undefined;
  return Math.max(exchange.dueAt, (exchange.reportedAt ?? 0) + ASK_AGAIN_MS);
}

/** An ACK tells that a run is in the journal; whether it has started must be asked, once, if it lasts. */
export function needsConfirmation({ report, confirmed }: Exchange): boolean {
  return report?.state === "Accepted" && !confirmed;
}

/** Created so lately that nobody will have thought better of it. */
const FRESH_MS = 10_000;

function isFresh({ command, now }: Observed): boolean {
  return now - Date.parse(command.metadata.creationTimestamp) < FRESH_MS;
}

export function offerOf(
  run: RunStatus,
  observed: Observed,
  isUnwritten: boolean,
): Offer | undefined {
  const { exchange, node, monotonic } = observed;
  const at = offerAt(run, observed);
  const message = messageFor(run, observed);
  if (at === undefined || message === undefined || at > monotonic || node.kind !== "present") {
    return undefined;
  }
  return {
    message,
    run,
    sessionID: node.sessionID,
    ledgerSince: ledgerSinceFor(run, node),
    sealingKey: node.sealingKey,
    takesOver: exchange.takesOver ?? run.nodeRow?.uid,
    readLive: exchange.tries > 0 || !isUnwritten || !isFresh(observed),
  };
}

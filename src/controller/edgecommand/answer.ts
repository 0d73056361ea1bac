import type { Ack, Refusal } from "../../protocol/ack.ts";
import type { RunReport } from "../../protocol/run.ts";
import { backoffMs, type BackoffPolicy } from "../../runtime/backoff.ts";
import type { Random } from "../../runtime/random.ts";
import type { Exchange, MessageKind } from "./observe.ts";

/** Between two tries to tell a node something. */
export const OFFER_AGAIN: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };

/** What came of one offer. */
export type OfferOutcome =
  | { readonly kind: "answered"; readonly ack: Ack }
  /** An answer that is not one; `problem` says why. */
  | { readonly kind: "malformed"; readonly problem: string }
  | { readonly kind: "noResponders" | "timeout" | "disconnected" | "tooLarge" }
  /** The API server could not be asked whether the resource is still as it was. */
  | { readonly kind: "unread"; readonly problem: string }
  /** What it is to be given cannot be had: nothing was sent. */
  | { readonly kind: "held"; readonly reason: string; readonly message: string }
  /** No message could be made of it. */
  | { readonly kind: "unsendable"; readonly problem: string }
  /** It is not as it was, or not there: nothing was sent. */
  | { readonly kind: "changed" };

export interface OfferContext {
  readonly exchange: Exchange;
  readonly message: MessageKind;
  /** The node's session that was addressed. */
  readonly sessionID: string;
  /** The resource was read from the API server right before. */
  readonly readLive: boolean;
  readonly monotonic: number;
  readonly random: Random;
}

export interface Answered {
  readonly exchange: Partial<Exchange>;
  /** The run has ended: to be treated like a result. */
  readonly finished?: RunReport;
  readonly nodeIsGone?: boolean;
  /** The node has another session than we think. */
  readonly askForHello?: boolean;
}

/** What an offer's outcome changes. Pure. */
export function afterOffer(outcome: OfferOutcome, context: OfferContext): Answered {
  const again = (reason: string, message: string): Partial<Exchange> => ({
    failure: { reason, message },
    dueAt: pauseEnd(context),
  });
  switch (outcome.kind) {
    case "answered":
      return afterAck(outcome.ack, context, again);
    case "malformed":
      return {
        exchange: again("MalformedAck", `The node's answer is malformed: ${outcome.problem}`),
      };
    case "noResponders":
      return {
        exchange: again("NoResponders", "The node says hello, and nobody listens to its commands."),
        nodeIsGone: true,
      };
    case "timeout":
      return { exchange: again("AwaitingAck", "It was sent; the node has not answered yet.") };
    case "disconnected":
      return { exchange: again("BrokerUnavailable", "The connection to NATS broke.") };
    case "tooLarge":
      return {
        exchange: again("TooLarge", "The command is larger than the broker's max_payload."),
      };
    case "unread":
      return {
        exchange: again("ApiServerUnavailable", "The API server could not be asked about it."),
      };
    case "held":
      return { exchange: again(outcome.reason, outcome.message) };
    case "unsendable":
      return { exchange: again("Unsendable", outcome.problem) };
    case "changed":
      return { exchange: again("Changed", "The resource has changed; looking at it again.") };
    default:
      return outcome satisfies never;
  }
}

function pauseEnd({ monotonic, exchange, random }: OfferContext): number {
  return monotonic + backoffMs(OFFER_AGAIN, exchange.tries - 1, random);
}

type Again = (reason: string, message: string) => Partial<Exchange>;

function afterAck(ack: Ack, context: OfferContext, again: Again): Answered {
  switch (ack.answer) {
    case "accepted":
    case "known":
      return afterReport(ack.run, context);
    case "takeoverNeeded":
      if (context.exchange.takesOver === ack.row.uid) {
        return {
          exchange: again("TakeoverNeeded", "The node does not let go of the earlier resource."),
        };
      }
      return { exchange: { takesOver: ack.row.uid, dueAt: 0, ahead: undefined } };
    case "superseded":
    case "nodeIsAhead":
      return afterLaterState(ack, context, again);
    case "ledgerLost":
      return { exchange: { ...NO_OBSTACLE, ledgerLostIn: context.sessionID, report: undefined } };
    case "absent":
      return { exchange: again("MalformedAck", "The node answers what was not asked.") };
    case "refused":
      return {
        exchange: again(refusalReason(ack.reason), REFUSED[ack.reason]),
        ...(ASK_FOR_HELLO.has(ack.reason) ? { askForHello: true } : {}),
      };
    default:
      return ack satisfies never;
  }
}

function afterReport(run: RunReport, context: OfferContext): Answered {
  const { exchange, message, monotonic } = context;
  // It is handed on, and offered again if it should get lost on the way to etcd.
  if (run.state === "Finished") return { exchange: { dueAt: pauseEnd(context) }, finished: run };
  return {
    exchange: {
      report: run,
      reportedAt: monotonic,
      // What is withdrawn does not start any more: there is nothing to ask for once more.
      confirmed: exchange.report !== undefined || message === "withdrawal",
      isStale: false,
      ...NO_OBSTACLE,
    },
  };
}

/** What an earlier answer said does not hold any more. */
const NO_OBSTACLE = { failure: undefined, ahead: undefined, ledgerLostIn: undefined } as const;

/** What was sent may have been out of date: only a live read right before it proves otherwise. */
function afterLaterState(
  ack: Extract<Ack, { answer: "superseded" | "nodeIsAhead" }>,
  { readLive }: OfferContext,
  again: Again,
): Answered {
  if (!readLive) return { exchange: { dueAt: 0 } };
  const { answer: kind, row } = ack;
  const failure =
    kind === "superseded"
      ? again("Superseded", "The node has given the name to another resource.")
      : again("NodeIsAhead", "The node knows a later state of it.");
  const told = { ...failure, report: undefined };
  if (row === undefined) return { exchange: { ...told, ahead: { kind } } };
  return { exchange: { ...told, ahead: { kind, row }, takesOver: row.uid } };
}

/** The session or the time that the two sides have is not the same: a hello brings both together. */
const ASK_FOR_HELLO: ReadonlySet<Refusal> = new Set(["WrongSession", "Stale"]);

/** Fixed texts: the node's own have numbers in them, and each new number would be a status write. */
const REFUSED: Readonly<Record<Refusal, string>> = {
  Malformed: "The node cannot read what this controller sends.",
  Untrusted:
    "The node does not trust the keys of this controller: it was enrolled with another cluster, or has missed a " +
    "change of the keys.",
  UnsupportedVersion: "The node does not speak this controller's version of the protocol.",
  WrongNode: "The node says that it has another name.",
  WrongNamespace: "The node says that it belongs to another namespace.",
  WrongCluster: "The node belongs to another cluster.",
  WrongSession: "The node has been started anew; it is sent again after its next hello.",
  Stale: "It took too long to the node, or its idea of the time is off; it is sent again.",
  NotReady: "The node is starting or stopping.",
  JournalUnavailable: "The node's journal does not commit: it runs nothing.",
  PolicyUnavailable:
    "The policy file of the node cannot be used, and the node does nothing before its owner has mended it: the node's " +
    "log says what is wrong.",
  Busy: "The node's journal holds all that it may until results have their receipts.",
};

/** It passes by itself. */
const BUSY: ReadonlySet<Refusal> = new Set(["NotReady", "Busy"]);

function refusalReason(refusal: Refusal): string {
  return BUSY.has(refusal) ? "NodeBusy" : `Refused${refusal}`;
}

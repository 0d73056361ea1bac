import type { Ack, Refusal } from "../../protocol/ack.ts";
import type { RunReport } from "../../protocol/run.ts";
import { backoffMs, type BackoffPolicy } from "../../runtime/backoff.ts";
import type { Random } from "../../runtime/random.ts";
import type { Exchange } from "./observe.ts";

const OFFER_AGAIN: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };

/** What came of one offer. */
export type OfferOutcome =
  | { readonly kind: "answered"; readonly ack: Ack }
  /** An answer that is not one; `problem` says why. */
  | { readonly kind: "malformed"; readonly problem: string }
  | { readonly kind: "noResponders" | "timeout" | "disconnected" | "tooLarge" }
  /** The API server could not be asked whether the resource is still as it was. */
  | { readonly kind: "unread"; readonly problem: string }
  /** No message could be made of it. */
  | { readonly kind: "unsendable"; readonly problem: string }
  /** It is not as it was, or not there: nothing was sent. */
  | { readonly kind: "changed" };

export interface OfferContext {
  readonly exchange: Exchange;
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
    dueAt: context.monotonic + backoffMs(OFFER_AGAIN, context.exchange.tries - 1, context.random),
  });
  switch (outcome.kind) {
    case "answered":
      return afterAck(outcome.ack, context, again);
    case "malformed":
      return {
        exchange: again("MalformedAck", `The node's answer is malformed: ${outcome.problem}`),
      };
    case "noResponders":
      return { exchange: { dueAt: 0 }, nodeIsGone: true };
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
    case "unsendable":
      return { exchange: again("Unsendable", outcome.problem) };
    case "changed":
      return { exchange: again("Changed", "The resource has changed; looking at it again.") };
    default:
      return outcome satisfies never;
  }
}

type Again = (reason: string, message: string) => Partial<Exchange>;

function afterAck(ack: Ack, context: OfferContext, again: Again): Answered {
  switch (ack.answer) {
    case "accepted":
    case "known":
      if (ack.run.state === "Finished") return { exchange: {}, finished: ack.run };
      return {
        exchange: {
          report: ack.run,
          confirmed: context.exchange.report !== undefined,
          isStale: false,
        },
      };
    case "takeoverNeeded":
      if (context.exchange.takesOver === ack.row.uid) {
        return {
          exchange: again("TakeoverNeeded", "The node does not let go of the earlier resource."),
        };
      }
      return { exchange: { takesOver: ack.row.uid, dueAt: 0 } };
    case "superseded":
    case "nodeIsAhead":
      // What was sent may have been out of date: only a live read right before it proves otherwise.
      return context.readLive
        ? { exchange: { ahead: { kind: ack.answer, generation: ack.row.generation } } }
        : { exchange: { dueAt: 0 } };
    case "refused":
      return {
        exchange: again(refusalReason(ack.reason), REFUSED[ack.reason]),
        ...(ASK_FOR_HELLO.has(ack.reason) ? { askForHello: true } : {}),
      };
    default:
      return ack satisfies never;
  }
}

/** The session or the time that the two sides have is not the same: a hello brings both together. */
const ASK_FOR_HELLO: ReadonlySet<Refusal> = new Set(["WrongSession", "Stale"]);

/** Fixed texts: the node's own have numbers in them, and each new number would be a status write. */
const REFUSED: Readonly<Record<Refusal, string>> = {
  Malformed: "The node cannot read what this controller sends.",
  UnsupportedVersion: "The node does not speak this controller's version of the protocol.",
  WrongNode: "The node says that it has another name.",
  WrongNamespace: "The node says that it belongs to another namespace.",
  WrongCluster: "The node belongs to another cluster.",
  WrongSession: "The node has been started anew; it is sent again after its next hello.",
  Stale: "It took too long to the node, or its idea of the time is off; it is sent again.",
  NotReady: "The node is starting or stopping.",
  JournalUnavailable: "The node's journal does not commit: it runs nothing.",
};

function refusalReason(refusal: Refusal): string {
  return refusal === "NotReady" ? "NodeBusy" : `Refused${refusal}`;
}

import type { Bus, RequestOutcome } from "../protocol/bus.ts";
import {
  enrollMessage,
  enrollReplyMessage,
  type EnrollRefusal,
  type EnrollReply,
} from "../protocol/enroll.ts";
import { decodeReply, encodeMessage, MalformedMessageError } from "../protocol/envelope.ts";
import { eventSubject } from "../protocol/subjects.ts";
import { IdentityError } from "./identity-directory.ts";
import type { NodeIdentity } from "./node-identity.ts";

/** The controller writes to etcd before it answers. */
const REPLY_TIMEOUT_MS = 15_000;

export type EnrollOutcome =
  | { readonly kind: "enrolled" }
  | { readonly kind: "refused"; readonly reason: EnrollRefusal; readonly message: string }
  /** Nobody, or nobody whom the node believes, has answered. */
  | { readonly kind: "unanswered"; readonly message: string };

/** Who asks, and where what it gets is kept. */
export type EnrollingIdentity = Pick<
  NodeIdentity,
  | "known"
  | "publicKey"
  | "signers"
  | "token"
  | "trust"
  | "isOwnCredential"
  | "learn"
  | "keepCredentials"
>;

export interface EnrollmentOptions {
  readonly identity: EnrollingIdentity;
  /** As the node itself, or as one who may only enroll. */
  readonly bus: Bus;
  readonly newID: () => string;
}

/**
 * Asks the controller once for credentials, for the first time or again: the node's key proves who asks, and the
 * token, if there is one still to be used, that it may. What it gets is on the disk, and in use, when this resolves.
 * Throws an IdentityError if it cannot be kept.
 */
export async function enroll(
  { identity, bus, newID }: EnrollmentOptions,
  signal: AbortSignal,
): Promise<EnrollOutcome> {
  const { node, namespace, clusterID } = identity.known;
  const { publicKey, signers, token } = identity;
  const asked = {
    namespace,
    node,
    clusterID,
    publicKey,
    nonce: newID(),
    ...(token === undefined ? {} : { token: token.keyID }),
  };
  const allSigners = token === undefined ? signers : [...signers, token];
  const request = encodeMessage(enrollMessage, asked, allSigners);
  const outcome = await bus.request(eventSubject(node, "enroll"), request, {
    timeoutMs: REPLY_TIMEOUT_MS,
    signal,
  });
  if (outcome.kind !== "reply") return { kind: "unanswered", message: SILENCE[outcome.kind] };
  const reply = decoded(outcome.data, request, identity);
  return typeof reply === "string" ? { kind: "unanswered", message: reply } : keep(reply, identity);
}

const SILENCE: Readonly<Record<Exclude<RequestOutcome["kind"], "reply">, string>> = {
  noResponders: "no controller is at the broker",
  timeout: "no controller answers",
  disconnected: "the connection to the broker broke",
  tooLarge: "the broker takes no message of this size",
};

/** The reply, or why it is none. */
function decoded(
  data: Uint8Array,
  request: Uint8Array,
  { trust }: EnrollingIdentity,
): EnrollReply | string {
  try {
    return decodeReply(enrollReplyMessage, data, { request, trust });
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    return `the answer is of no controller that this node trusts (${thrown.message})`;
  }
}

async function keep(reply: EnrollReply, identity: EnrollingIdentity): Promise<EnrollOutcome> {
  if (!reply.enrolled) return { kind: "refused", reason: reply.reason, message: reply.message };
  const { clusterID } = identity.known;
  if (reply.clusterID !== clusterID) {
    const message = `cluster ${reply.clusterID} answered; this node belongs to ${clusterID}`;
    return { kind: "unanswered", message };
  }
  if (!identity.isOwnCredential(reply.jwt)) {
    throw new IdentityError("the controller gave credentials that are not for this node's key");
  }
  await identity.learn(reply.commandKeys);
  await identity.keepCredentials(reply.jwt);
  return { kind: "enrolled" };
}

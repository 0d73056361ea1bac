import { isSignedBy } from "../../identity/key-pair.ts";
import type { Bus, BusMessage } from "../../protocol/bus.ts";
import { enrollMessage, enrollReplyMessage, type EnrollReply } from "../../protocol/enroll.ts";
import {
  decodeSelfSigned,
  encodeReply,
  MalformedMessageError,
  UnsupportedVersionError,
  UntrustedMessageError,
} from "../../protocol/envelope.ts";
import { ENROLLMENT_INBOX, isReplyTo, nodeInbox } from "../../protocol/subjects.ts";
import { Semaphore } from "../../runtime/semaphore.ts";
import { subscribeToEvents } from "../node-events.ts";
import type { NodeSecurity } from "../node-security.ts";
import type { Rejections } from "../rejections.ts";
import type { Enroller, SignedEnroll } from "./enroller.ts";

/** How many are worked on at once, and how many may wait for that: whoever likes can ask. */
const CONCURRENCY = 4;
const MAX_WAITING = 256;

export interface EnrollIntakeOptions {
  readonly enroller: Pick<Enroller, "enroll">;
  readonly security: NodeSecurity;
  readonly rejections: Rejections;
  readonly clusterID: string;
  readonly namespace?: string | undefined;
}

/** Takes requests for credentials off the wire; returns the way to end that. */
export function subscribeToEnrollments(bus: Bus, options: EnrollIntakeOptions): () => void {
  const limit = new Semaphore(CONCURRENCY);
  let waiting = 0;
  return subscribeToEvents(bus, "enroll", options.rejections, (node, message) => {
    // What gets no answer is asked again. To answer it elsewhere is to say what somebody else wants said.
    if (waiting >= MAX_WAITING || !isToBeAnswered(node, message)) return;
    waiting += 1;
    void limit
      .run(() => take(node, message, options))
      .finally(() => {
        waiting -= 1;
      });
  });
}

function isToBeAnswered(node: string, { reply }: BusMessage): boolean {
  return isReplyTo(nodeInbox(node), reply) || isReplyTo(ENROLLMENT_INBOX, reply);
}

async function take(
  node: string,
  message: BusMessage,
  options: EnrollIntakeOptions,
): Promise<void> {
  const answer = await replyTo(node, message, options);
  if (answer === undefined) return;
  const { signers } = options.security;
  message.respond(encodeReply(enrollReplyMessage, answer, { request: message.data, signers }));
}

/** Undefined for what another controller has to answer, and for what nobody vouches for. */
async function replyTo(
  node: string,
  { subject, data }: BusMessage,
  options: EnrollIntakeOptions,
): Promise<EnrollReply | undefined> {
  try {
    const { message: request, signedBy } = decodeSelfSigned(enrollMessage, data, isSignedBy);
    if (isForAnother({ request, signedBy }, options)) return undefined;
    if (request.node !== node) {
      throw new MalformedMessageError("payload.node: not the node that the subject names");
    }
    return await options.enroller.enroll({ request, signedBy });
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    options.rejections.refuse({ node, subject, error: thrown });
    if (thrown instanceof UntrustedMessageError) return undefined;
    const isVersion = thrown instanceof UnsupportedVersionError;
    const reason = isVersion ? "UnsupportedVersion" : "Malformed";
    return { enrolled: false, reason, message: thrown.message.slice(0, 1024) };
  }
}

function isForAnother(
  { request }: SignedEnroll,
  { clusterID, namespace }: EnrollIntakeOptions,
): boolean {
  if (namespace !== undefined && namespace !== request.namespace) return true;
  return request.clusterID !== undefined && request.clusterID !== clusterID;
}

import { z } from "zod";
import { commandKeySet } from "./command-keys.ts";
import type { MessageType, ReplyType } from "./envelope.ts";
import * as names from "./names.ts";

/**
 * `<node>.event.enroll`: agent to controller, a request for credentials: to join, to renew them, and to have new ones
 * when they have expired. Signed by the node's own key, which proves that it has it; and by the key of a token,
 * if it joins with one.
 */
const schema = z.strictObject({
  namespace: names.namespace,
  node: names.nodeName,
  /** The cluster that the node has pinned; absent until it has. Controllers of others do not answer. */
  clusterID: names.uuid.optional(),
  publicKey: names.publicKey,
  /** The token's public key. */
  token: names.publicKey.optional(),
  /** New in each request, so that no reply fits two. */
  nonce: names.uuid,
});
export type Enroll = z.infer<typeof schema>;
export const enrollMessage: MessageType<Enroll> = { name: "enroll", version: 1, schema };

export const ENROLL_REFUSALS = [
  "Malformed",
  "UnsupportedVersion",
  /** There is no such EdgeNode, or it names no key and no token yet. */
  "NotEnrolled",
  /** The EdgeNode has another key, and no token for this one. */
  "KeyNotApproved",
  "TokenExpired",
  "NameConflict",
  "Disabled",
  /** Something is in trouble: to be tried again. */
  "Unavailable",
] as const;
export type EnrollRefusal = (typeof ENROLL_REFUSALS)[number];

/** The reply. `jwt` is the node's user JWT for the broker, of the subject `publicKey`; no secret. */
const replySchema = z.discriminatedUnion("enrolled", [
  z.strictObject({
    enrolled: z.literal(true),
    time: names.timestamp,
    clusterID: names.uuid,
    jwt: z.string().max(4096),
    /** When it was made and until when it is good, in the controller's time. */
    issuedAt: names.timestamp,
    expiresAt: names.timestamp,
    commandKeys: commandKeySet,
  }),
  z.strictObject({
    enrolled: z.literal(false),
    reason: z.enum(ENROLL_REFUSALS),
    message: z.string().max(1024),
  }),
]);
export type EnrollReply = z.infer<typeof replySchema>;
export const enrollReplyMessage: ReplyType<EnrollReply> = {
  name: "enroll-reply",
  version: 1,
  schema: replySchema,
  isReply: true,
};

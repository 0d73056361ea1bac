import { z } from "zod";
import { commandKeySet } from "./command-keys.ts";
import type { MessageType, ReplyType } from "./envelope.ts";
import * as names from "./names.ts";
import { protocolRange } from "./version.ts";

const fact = z.string().max(128);
/** How many unreceipted runs a hello names. */
export const MAX_HELLO_RUNS = 64;

/** `<node>.event.hello`: agent to controller, on connecting and then as a heartbeat; a request. */
const schema = z.strictObject({
  namespace: names.namespace,
  /** Whose key it is signed with may have another name besides. */
  node: names.nodeName,
  /** The cluster that the node has pinned; absent until it has. Controllers of others do not answer. */
  clusterID: names.uuid.optional(),
  /** New with every start of the agent. */
  sessionID: names.uuid,
  /** Grows with every hello of a session: one that comes later with a lower one is an old one. */
  sequence: z.int().min(1),
  /**
   * In the controller's time; absent while the agent does not know it. A hello without, or one that is older than
   * MAX_ENVELOPE_AGE_MS, is only told the time.
   */
  signedAt: names.timestamp.optional(),
  /** What secrets for this node are sealed to. */
  sealingKey: names.sealingKey,
  /** Of the command keys that the node trusts; absent if it trusts whoever is on the broker. */
  trustSerial: z.int().min(1).optional(),
  /** The kernel's boot id. */
  bootID: names.uuid,
  /** Made with the node's ledger: another id means that what the node knew is lost. */
  ledgerID: names.uuid,
  /** Grows with every run that the ledger takes on: a lower one means an earlier copy of the ledger. */
  ledgerCounter: z.int().min(0),
  agentVersion: z.string().max(64),
  protocol: protocolRange,
  methods: z.array(names.method).max(64),
  facts: z.strictObject({ os: fact, arch: fact, kernel: fact, hostname: fact }),
  /** Runs without a receipt, the oldest first, at most MAX_HELLO_RUNS. */
  runs: z
    .array(
      z.strictObject({
        name: names.resourceName,
        uid: names.uuid,
        runID: names.uuid,
        state: z.enum(["Accepted", "Running", "Finished"]),
      }),
    )
    .max(MAX_HELLO_RUNS),
  /** How many there are in all. */
  runsWithoutReceipt: z.int().min(0),
});
export type Hello = z.infer<typeof schema>;
export const helloMessage: MessageType<Hello> = { name: "hello", version: 1, schema };

/** What every controller tells who asks. */
const told = z.strictObject({
  /** The controller's, when it answered. */
  time: names.timestamp,
  clusterID: names.uuid,
  /** Absent where nothing is signed. */
  commandKeys: commandKeySet.optional(),
});

/** The reply to a hello. */
const replySchema = z.discriminatedUnion("accepted", [
  told.extend({ accepted: z.literal(true) }),
  told.extend({
    accepted: z.literal(false),
    reason: z.enum([
      /** It does not say when it was said, or that was too long ago: to be said again, now that the time is known. */
      "Stale",
      "Malformed",
      "UnsupportedVersion",
      "NameConflict",
      "NamespaceNotFound",
      "NotRegistered",
      "LedgerRolledBack",
      "IdentityConflict",
      "Unavailable",
    ]),
    message: z.string().max(1024),
  }),
]);
export type HelloReply = z.infer<typeof replySchema>;
export const helloReplyMessage: ReplyType<HelloReply> = {
  name: "hello-reply",
  version: 1,
  schema: replySchema,
  isReply: true,
};

/** `<node>.command.hello`: controller to agent, say hello now. No reply but the hello. */
const requestSchema = z.strictObject({
  clusterID: names.uuid,
  node: names.nodeName,
  signedAt: names.timestamp,
});
export type HelloRequest = z.infer<typeof requestSchema>;
export const helloRequestMessage: MessageType<HelloRequest> = {
  name: "hello-request",
  version: 1,
  schema: requestSchema,
};

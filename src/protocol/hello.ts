import { z } from "zod";
import type { MessageType } from "./envelope.ts";
import * as names from "./names.ts";
import { protocolRange } from "./version.ts";

const fact = z.string().max(128);
/** How many unreceipted runs a hello names. */
export const MAX_HELLO_RUNS = 64;

/** `<node>.event.hello`: agent to controller, on connecting and then as a heartbeat; a request. */
const schema = z.strictObject({
  namespace: names.namespace,
  /** The cluster that the node has pinned; absent until it has. Controllers of others do not answer. */
  clusterID: names.uuid.optional(),
  /** New with every start of the agent. */
  sessionID: names.uuid,
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

/** The reply to a hello. `time` is the controller's, when it answered. */
const replySchema = z.discriminatedUnion("accepted", [
  z.strictObject({ accepted: z.literal(true), time: names.timestamp, clusterID: names.uuid }),
  z.strictObject({
    accepted: z.literal(false),
    reason: z.enum([
      "Malformed",
      "UnsupportedVersion",
      "NameConflict",
      "NamespaceNotFound",
      "NotRegistered",
      "LedgerRolledBack",
      "Unavailable",
    ]),
    message: z.string().max(1024),
  }),
]);
export type HelloReply = z.infer<typeof replySchema>;
export const helloReplyMessage: MessageType<HelloReply> = {
  name: "hello-reply",
  version: 1,
  schema: replySchema,
};

/** `<node>.command.hello`: controller to agent, say hello now. No payload, no reply. */
export const HELLO_REQUEST = new Uint8Array();

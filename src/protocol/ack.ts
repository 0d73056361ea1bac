import { z } from "zod";
import type { ReplyType } from "./envelope.ts";
import * as names from "./names.ts";
import { runReport } from "./run.ts";

export const REFUSALS = [
  "Malformed",
  /** It is not signed by a controller that the node trusts. */
  "Untrusted",
  "UnsupportedVersion",
  "WrongNode",
  "WrongNamespace",
  "WrongCluster",
  "WrongSession",
  "Stale",
  /** The agent is starting or stopping, or does not know the time yet. */
  "NotReady",
  /** The journal does not commit. */
  "JournalUnavailable",
  /** The node's policy cannot be used, and its owner has to mend it: offer it again. */
  "PolicyUnavailable",
  /** The journal holds as much as it may until results have their receipts: offer it again. */
  "Busy",
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Whose row the node has under this namespace and name. */
const row = z.strictObject({
  uid: names.uuid,
  epoch: names.epoch,
  generation: names.generation,
});

/** The reply to a command or a withdrawal. A refusal says nothing of the run: the command may be offered again. */
const schema = z.discriminatedUnion("answer", [
  /** The node's journal has it as a new run. */
  z.strictObject({ answer: z.literal("accepted"), run: runReport }),
  /** The node's journal had it already. */
  z.strictObject({ answer: z.literal("known"), run: runReport }),
  /** A resource of this name with another uid has the row: look whether that one still exists. */
  z.strictObject({ answer: z.literal("takeoverNeeded"), row }),
  /** This uid's row was taken over by another, or withdrawn for good: then there is no row. */
  z.strictObject({ answer: z.literal("superseded"), row: row.optional() }),
  /** The node has a later generation of this resource. */
  z.strictObject({ answer: z.literal("nodeIsAhead"), row }),
  /** The node's earlier ledger is lost, and may have had it: nobody knows whether it was run. */
  z.strictObject({ answer: z.literal("ledgerLost") }),
  /** To the withdrawal of a deleted resource: nothing runs under its uid, and nothing will. */
  z.strictObject({ answer: z.literal("absent") }),
  z.strictObject({
    answer: z.literal("refused"),
    reason: z.enum(REFUSALS),
    message: z.string().max(1024),
  }),
]);
export type Ack = z.infer<typeof schema>;
export const ackMessage: ReplyType<Ack> = { name: "ack", version: 1, schema, isReply: true };

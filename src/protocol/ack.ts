import { z } from "zod";
import type { MessageType } from "./envelope.ts";
import * as names from "./names.ts";
import { runReport } from "./run.ts";

export const REFUSALS = [
  "Malformed",
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
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Whose row the node has under this namespace and name. */
const row = z.strictObject({ uid: names.uuid, generation: names.generation });

/** The reply to a command. A refusal says nothing of the run: the command may be offered again. */
const schema = z.discriminatedUnion("answer", [
  /** The node's journal has it as a new run. */
  z.strictObject({ answer: z.literal("accepted"), run: runReport }),
  /** The node's journal had it already. */
  z.strictObject({ answer: z.literal("known"), run: runReport }),
  /** A resource of this name with another uid has the row: look whether that one still exists. */
  z.strictObject({ answer: z.literal("takeoverNeeded"), row }),
  /** This uid's row was taken over by another. */
  z.strictObject({ answer: z.literal("superseded"), row }),
  /** The node has a later generation of this resource. */
  z.strictObject({ answer: z.literal("nodeIsAhead"), row }),
  z.strictObject({
    answer: z.literal("refused"),
    reason: z.enum(REFUSALS),
    message: z.string().max(1024),
  }),
]);
export type Ack = z.infer<typeof schema>;
export const ackMessage: MessageType<Ack> = { name: "ack", version: 1, schema };

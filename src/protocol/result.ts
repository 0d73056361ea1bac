import { z } from "zod";
import type { MessageType, ReplyType } from "./envelope.ts";
import * as names from "./names.ts";
import { runReport, runResult } from "./run.ts";

/** `<node>.event.result`: agent to controller, a request that is answered with a Receipt. */
const schema = runReport.extend({
  /** The cluster that the run belongs to: another one's controller on the same broker says nothing. */
  clusterID: names.uuid,
  node: names.nodeName,
  state: z.literal("Finished"),
  result: runResult,
});
export type Result = z.infer<typeof schema>;
export const resultMessage: MessageType<Result> = { name: "result", version: 1, schema };

/**
 * The reply to a result. `stored`: it is in etcd. `orphaned`: there is no such resource any more. Either
 * way the node owes nothing further. `refused`: the message was malformed. No reply means: send it again.
 */
const receiptSchema = z.discriminatedUnion("receipt", [
  z.strictObject({ receipt: z.literal("stored"), runID: names.uuid }),
  z.strictObject({ receipt: z.literal("orphaned"), runID: names.uuid }),
  z.strictObject({ receipt: z.literal("refused"), message: z.string().max(1024) }),
]);
export type Receipt = z.infer<typeof receiptSchema>;
export const receiptMessage: ReplyType<Receipt> = {
  name: "receipt",
  version: 1,
  schema: receiptSchema,
  isReply: true,
};

import { z } from "zod";
import { address, offer } from "./command.ts";
import type { MessageType } from "./envelope.ts";

/**
 * `<node>.command.cancel`: controller to agent, a request that is answered with an Ack. What it speaks of is
 * ended if it runs and never started if it has not been.
 */
const schema = z.discriminatedUnion("scope", [
  /** Of a resource that is there: this run. Where it is not known, a row stays that never starts. */
  address.extend({ scope: z.literal("run"), ...offer.shape }),
  /** Of a resource that was deleted: whatever runs under its uid, and whatever comes under it later. */
  address.extend({ scope: z.literal("resource") }),
]);
export type Withdrawal = z.infer<typeof schema>;
export const withdrawalMessage: MessageType<Withdrawal> = {
  name: "withdrawal",
  version: 1,
  schema,
};

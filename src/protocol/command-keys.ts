import { z } from "zod";
import * as names from "./names.ts";

/** As many as a rotation can need, and then some. */
const MAX_COMMAND_KEYS = 8;

/**
 * The keys by which a node knows its controllers. A set replaces one of a lower serial, if it is said by a key of
 * that one; never one of a higher.
 */
export const commandKeySet = z.strictObject({
  serial: z.int().min(1),
  keys: z.array(names.publicKey).min(1).max(MAX_COMMAND_KEYS),
});
export type CommandKeySet = z.infer<typeof commandKeySet>;

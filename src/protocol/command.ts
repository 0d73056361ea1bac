import { z } from "zod";
import type { MessageType } from "./envelope.ts";
import * as names from "./names.ts";
import { MAX_INLINE_BYTES } from "./output.ts";

/** An envelope is refused when it is older than this, in the controller's time. */
export const MAX_ENVELOPE_AGE_MS = 60_000;

/** What is to be run: with the node, all that makes a revision. */
export const commandWork = z.strictObject({
  method: names.method,
  args: z.array(z.string()),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  stdin: z.string(),
  workingDir: z.string(),
});
export type CommandWork = z.infer<typeof commandWork>;

/** How it is to be run; may change without making it another run. */
export const commandTerms = z.strictObject({
  timeoutMs: z.int().min(1),
  /** Not to be started after this moment of the controller's time. */
  startBy: names.timestamp.optional(),
  successExitCodes: z.array(z.int().min(0).max(255)).min(1),
  /** Of each stream, in bytes of its JSON form. */
  inlineBytes: z.int().min(0).max(MAX_INLINE_BYTES),
});
export type CommandTerms = z.infer<typeof commandTerms>;

/** `<node>.command.<method>`: controller to agent, a request that is answered with an Ack. */
const schema = z.strictObject({
  /** The cluster that commands: the uid of its namespace kube-system. */
  clusterID: names.uuid,
  node: names.nodeName,
  /** The agent's session that this is for. */
  sessionID: names.uuid,
  /** In the controller's time. */
  signedAt: names.timestamp,
  namespace: names.namespace,
  name: names.resourceName,
  uid: names.uuid,
  /** metadata.generation of the resource. */
  generation: names.generation,
  /** The generation at which this revision became the declared one. */
  declared: names.generation,
  revision: names.revision,
  requestedAt: names.timestamp,
  /** The uid whose row this resource takes over: it was deleted and created again. */
  takesOver: names.uuid.optional(),
  work: commandWork,
  terms: commandTerms,
});
export type Command = z.infer<typeof schema>;
export const commandMessage: MessageType<Command> = { name: "command", version: 1, schema };

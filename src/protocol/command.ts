import { z } from "zod";
import type { MessageType } from "./envelope.ts";
import * as names from "./names.ts";
import { MAX_INLINE_BYTES } from "./output.ts";
import { sealedBox } from "./sealed-inputs.ts";

/** An envelope is refused when it is older than this, in the controller's time. */
export const MAX_ENVELOPE_AGE_MS = 60_000;
/** As many retries as spec.retry.limit can ask for. */
const MAX_RETRIES = 100;

/** What is to be run: with the node, all that makes a revision. */
export const commandWork = z.strictObject({
  method: names.method,
  args: z.array(z.string()),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  stdin: z.string(),
  workingDir: z.string(),
  /** The user to run it as; absent: as the node's policy has it. */
  runAs: names.userName.optional(),
});
export type CommandWork = z.infer<typeof commandWork>;

/** How it is to be run; may change without making it another run. */
export const commandTerms = z.strictObject({
  /** Of one attempt. */
  timeoutMs: z.int().min(1),
  /** Not to be started after this moment of the controller's time. */
  startBy: names.timestamp.optional(),
  successExitCodes: z.array(z.int().min(0).max(255)).min(1),
  /** Of each stream, in bytes of its JSON form. */
  inlineBytes: z.int().min(0).max(MAX_INLINE_BYTES),
  /** How often a failed attempt is followed by another, and after what pause, doubled each time. */
  retry: z.strictObject({
    limit: z.int().min(0).max(MAX_RETRIES),
    backoffMs: z.int().min(1),
    maxBackoffMs: z.int().min(1),
  }),
  /** An attempt that its machine's death interrupted may be followed by another, within the limit. */
  idempotent: z.boolean(),
});
export type CommandTerms = z.infer<typeof commandTerms>;

/** What everything that a controller says to an agent begins with: who says it to whom, and when. */
export const address = z.strictObject({
  /** The cluster that commands: the uid of its namespace kube-system, unless it was told another. */
  clusterID: names.uuid,
  node: names.nodeName,
  /** The agent's session that this is for. */
  sessionID: names.uuid,
  /** In the controller's time. */
  signedAt: names.timestamp,
  namespace: names.namespace,
  name: names.resourceName,
  uid: names.uuid,
});
export type Address = z.infer<typeof address>;

/** Which run of a resource is meant: what DESIGN §4's table decides by. */
export const offer = z.strictObject({
  epoch: names.epoch,
  /** metadata.generation of the resource. */
  generation: names.generation,
  /** The generation at which this revision and rerun became the declared ones. */
  declared: names.generation,
  revision: names.revision,
  rerun: names.rerun,
  requestedAt: names.timestamp,
  /** The uid whose row this resource takes over: it was deleted and created again. */
  takesOver: names.uuid.optional(),
  /**
   * When the cluster first heard of the node's ledger, if the node had another before: what was requested
   * earlier may have been run by that one. Absent for a node's first ledger.
   */
  ledgerSince: names.timestamp.optional(),
});

export type Offer = z.infer<typeof offer>;

/** `<node>.command.<method>`: controller to agent, a request that is answered with an Ack. */
const schema = address.extend({
  ...offer.shape,
  work: commandWork,
  terms: commandTerms,
  /** Its secrets, sealed to the node: see sealed-inputs.ts. Absent if it has none. */
  sealed: sealedBox.optional(),
});
export type Command = z.infer<typeof schema>;
export const commandMessage: MessageType<Command> = { name: "command", version: 1, schema };

import { z } from "zod";
import * as names from "./names.ts";
import { output } from "./output.ts";

/** How a run can end on its node. */
export const OUTCOMES = [
  /** It exited with a status that counts as success. */
  "Succeeded",
  /** It exited with another status, or by a signal that was not ours. */
  "Failed",
  /** Its time was up and it was ended. */
  "TimedOut",
  /** The node does not do this: unknown method, unusable arguments. It never started. */
  "Rejected",
  /** Its machine died while it ran. */
  "Interrupted",
  /** Its start deadline passed before the node could start it. It never started. */
  "Expired",
  /** Somebody wanted it so: a later revision took its place. */
  "Cancelled",
] as const;

/** Whether a command was ever started. "False" is a promise: it was not and will not be. */
const STARTED = ["True", "False", "Unknown"] as const;

const reason = z.string().regex(/^[A-Z][A-Za-z0-9]{0,63}$/);

export const runResult = z.strictObject({
  outcome: z.enum(OUTCOMES),
  started: z.enum(STARTED),
  exitCode: z.int().min(0).max(255).optional(),
  signal: z
    .string()
    .regex(/^SIG[A-Z0-9+-]{1,16}$/)
    .optional(),
  startedAt: names.timestamp.optional(),
  finishedAt: names.timestamp,
  /** On the node's monotonic clock; absent if the run did not end under this agent's eyes. */
  durationMs: z.int().min(0).optional(),
  stdout: output.optional(),
  stderr: output.optional(),
  reason,
  message: z.string().max(1024),
});
export type RunResult = z.infer<typeof runResult>;

/** What a node's ledger says of one run. Times are the controller's time as the node knows it. */
export const runReport = z.strictObject({
  namespace: names.namespace,
  name: names.resourceName,
  uid: names.uuid,
  runID: names.uuid,
  /** The highest generation of the resource that was sent for this run. */
  generation: names.generation,
  /** The generation at which what was run became the declared one. */
  declared: names.generation,
  epoch: names.epoch,
  revision: names.revision,
  rerun: names.rerun,
  /** Accepted: it waits for its turn, or, if there were attempts, for the next one. */
  state: z.enum(["Accepted", "Running", "Finished"]),
  /** How often it was started, or may have been. */
  attempts: z.int().min(0),
  /** True if it ran under an earlier resource of the same name, which this one took over. */
  adopted: z.boolean(),
  acceptedAt: names.timestamp,
  startedAt: names.timestamp.optional(),
  /** Present if and only if the state is Finished. */
  result: runResult.optional(),
});
export type RunReport = z.infer<typeof runReport>;

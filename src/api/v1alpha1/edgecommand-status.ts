import { z } from "zod";
import { conditionList, observedGeneration } from "../conditions.ts";

/** How a run can end. */
export const OUTCOMES = [
  "Succeeded",
  "Failed",
  "TimedOut",
  "Rejected",
  "Interrupted",
  "Expired",
  "Cancelled",
  /** The node was away, and the command was not to wait for it. */
  "Skipped",
  /** Nobody can say: no word beyond every deadline, or the node's ledger is lost. */
  "Unknown",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Phases of an EdgeCommand, for people; derived from the rest of the status, never read back. */
export const PHASES = [
  "Pending",
  "Suspended",
  "WaitingForNode",
  "Sent",
  "Accepted",
  "Running",
  ...OUTCOMES,
] as const;
export type Phase = (typeof PHASES)[number];

const time = (what: string): z.ZodString => z.string().meta({ format: "date-time" }).describe(what);

const streamStatus = z.object({
  text: z
    .string()
    .max(4096)
    .describe("What was written, made safe for a terminal and cut in the middle."),
  bytes: z.int().min(0).describe("How many bytes were written in all."),
  sha256: z.string().max(64).describe("SHA-256 of all of them."),
  truncated: z.boolean().describe("Whether text leaves something out."),
});

const revisionField = z
  .string()
  .max(64)
  .describe("Versioned hash over nodeName, method, args, env, stdin and workingDir.");
const outcome = z.enum(OUTCOMES);
const exitCode = z.int().min(0).max(255).optional().describe("Exit code of the command.");

const runStatus = z.object({
  declared: z
    .int()
    .min(1)
    .describe("The metadata.generation at which what is run became the declared one."),
  revision: revisionField,
  rerun: z.string().max(63).default("").describe("The spec.rerun that asked for this run."),
  epoch: z
    .int()
    .min(0)
    .default(0)
    .describe("Above 0 only after the cluster was restored from a backup."),
  runID: z.string().max(36).optional().describe("The node's own name for the run."),
  requestedAt: time(
    "When the run was requested; the start deadline counts from here, or from resumedAt. Of a resource that nobody had looked at, its creation.",
  ),
  acceptedAt: time("When the node's journal had it.").optional(),
  startedAt: time("When it was started.").optional(),
  finishedAt: time("When it ended.").optional(),
  suspendedAt: time("Since when it is held back by spec.suspend.").optional(),
  resumedAt: time(
    "When it was last released from spec.suspend, before it was accepted.",
  ).optional(),
  attempts: z.int().min(0).optional().describe("How often the node started it."),
  duration: z.string().max(32).optional().describe("How long it ran."),
  started: z
    .enum(["True", "False", "Unknown"])
    .optional()
    .describe("Whether it was ever started. False is said only on the node's word, and for good."),
  outcome: outcome.optional().describe("How it ended; set once it has."),
  exitCode,
  signal: z.string().max(24).optional().describe("The signal that ended the command."),
  stdout: streamStatus.optional().describe("Standard output."),
  stderr: streamStatus.optional().describe("Standard error."),
  summary: z.string().max(256).optional().describe("The end of the run in one line."),
  nodeRow: z
    .object({
      uid: z.string().max(36).describe("Uid of the resource that has the node's row."),
      epoch: z.int().min(0).describe("Its epoch."),
      generation: z.int().min(1).describe("Its generation."),
    })
    .optional()
    .describe(
      "What the node has under this name, when that is more than the cluster knows. Nothing is sent until spec.rerun is set anew, which makes the epoch of the run higher than that of the row.",
    ),
  reason: z.string().max(64).describe("Why the run is where it is, as one CamelCase word."),
  message: z.string().max(1024).describe("Why the run is where it is, for people."),
});
export type RunStatus = z.infer<typeof runStatus>;

const pastRun = z.object({
  declared: z.int().min(1).describe("As in run."),
  revision: revisionField,
  rerun: z.string().max(63).default("").describe("As in run."),
  runID: z.string().max(36).optional().describe("As in run."),
  outcome: outcome.describe("How it ended."),
  started: z.enum(["True", "False", "Unknown"]).describe("As in run."),
  exitCode,
  finishedAt: time("When it ended.").optional(),
  reason: z.string().max(64).describe("As in run."),
});
export type PastRun = z.infer<typeof pastRun>;

/** How many earlier runs the status remembers. */
export const HISTORY_LIMIT = 5;

export const edgeCommandStatus = z
  .object({
    observedGeneration,
    phase: z.enum(PHASES).optional().describe("Where the command is, for people."),
    run: runStatus.optional().describe("The latest run."),
    history: z
      .array(pastRun)
      .max(HISTORY_LIMIT)
      .optional()
      .meta({ "x-kubernetes-list-type": "atomic" })
      .describe("Earlier runs, the latest first."),
    conditions: conditionList
      .optional()
      .describe(
        "Ready, Reconciling and Stalled as kstatus reads them; Accepted; Succeeded; Completed: True at any end.",
      ),
  })
  .default({ observedGeneration: -1, phase: "Pending" })
  .describe("What the node has really done.");
export type EdgeCommandStatus = z.infer<typeof edgeCommandStatus>;

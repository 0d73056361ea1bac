import { z } from "zod";
import { DURATION_PATTERN } from "../../runtime/duration.ts";
import { conditionList, observedGeneration } from "../conditions.ts";
import type { KubernetesObject } from "../meta.ts";
import { LABEL_PATTERN, mapList, rules } from "../rules.ts";

/** How a run can end. */
export const OUTCOMES = [
  "Succeeded",
  "Failed",
  "TimedOut",
  "Rejected",
  "Interrupted",
  "Expired",
  "Cancelled",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Phases of an EdgeCommand, for people; derived from the rest of the status, never read back. */
export const PHASES = [
  "Pending",
  "WaitingForNode",
  "Sent",
  "Accepted",
  "Running",
  ...OUTCOMES,
] as const;
export type Phase = (typeof PHASES)[number];

/** What args, env and stdin may come to together, in characters: the message must fit NATS's 1 MiB. */
const MAX_WORK_CHARACTERS = 98_304;

/** Ten years: a deadline beyond the year 9999 could not be written down in RFC 3339. */
const LONGEST_DURATION = "87600h";

// CEL checks these in the API server, with the better message. They are here again for an object that
// was stored under another CRD: it must not get any further than this.
const LABEL = new RegExp(LABEL_PATTERN);
const RESERVED: ReadonlySet<string> = new Set(["cancel", "hello"]);

function duration(what: string, example: string): z.ZodString {
  const form = `self.matches('${DURATION_PATTERN.replaceAll("\\", "\\\\")}')`;
  return z
    .string()
    .max(32)
    .refine(
      (text) => new RegExp(DURATION_PATTERN).test(text),
      `must be a duration such as ${example}`,
    )
    .meta(
      rules(
        {
          rule: `${form} && duration(self) > duration('0s')`,
          message: `must be a duration above zero such as ${example}`,
        },
        {
          rule: `!${form} || duration(self) <= duration('${LONGEST_DURATION}')`,
          message: `must be at most ${LONGEST_DURATION}, ten years`,
        },
      ),
    )
    .describe(what);
}

const envVar = z.object({
  name: z
    .string()
    .min(1)
    .max(256)
    .meta(
      rules({
        rule: "self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
        message: "must be a name of letters, digits and '_' that does not start with a digit",
      }),
    )
    .describe("Name of the variable."),
  value: z.string().max(32_768).default("").describe("Its value, taken as it stands."),
});

export const edgeCommandSpec = z
  .object({
    nodeName: z
      .string()
      .min(1)
      .max(63)
      .refine((text) => LABEL.test(text), "must be the name of an EdgeNode")
      .meta(
        rules(
          {
            rule: `self.matches('${LABEL_PATTERN}')`,
            message:
              "must be the name of an EdgeNode: lower-case letters, digits and '-', starting and ending with a letter or digit",
          },
          {
            rule: "self == oldSelf",
            message: "is immutable: create another EdgeCommand for another node",
          },
        ),
      )
      .describe("The EdgeNode, of the same namespace, that runs the command. Immutable."),
    method: z
      .string()
      .min(1)
      .max(63)
      .refine((text) => LABEL.test(text) && !RESERVED.has(text), "must be a method")
      .meta(
        rules(
          {
            rule: `self.matches('${LABEL_PATTERN}')`,
            message:
              "must be a method such as shellcommand, exec or ping: lower-case letters, digits and '-'",
          },
          { rule: "!(self in ['cancel', 'hello'])", message: "cancel and hello are reserved" },
        ),
      )
      .describe(
        "What the node is asked to do. shellcommand: args[0] through sh -c, with further args as $1…; exec: args as a program with its arguments, without a shell; ping: nothing but an answer. EdgeNode.status.methods lists what a node offers.",
      ),
    args: z
      .array(z.string().max(65_536))
      .max(64)
      .default([])
      .meta({ "x-kubernetes-list-type": "atomic" })
      .describe("Arguments of the method."),
    env: z
      .array(envVar)
      .max(64)
      .default([])
      .meta(mapList("name"))
      .describe("Environment variables of the command, on top of a small clean environment."),
    stdin: z
      .string()
      .max(65_536)
      .default("")
      .describe("What the command reads on its standard input."),
    workingDir: z
      .string()
      .min(1)
      .max(1024)
      .default("/")
      .meta(rules({ rule: "self.startsWith('/')", message: "must be an absolute path" }))
      .describe("Directory in which the command starts."),
    timeout: duration(
      "How long the command may run before the node ends it, with all that it started in its process group: TERM, a grace period, KILL.",
      "90s, 5m or 1h30m",
    ).default("5m"),
    startDeadline: duration(
      "How long after it was requested the command may still be started. Unset: as long as it is declared, it is wanted.",
      "10m or 24h",
    ).optional(),
    successExitCodes: z
      .array(z.int().min(0).max(255))
      .min(1)
      .max(16)
      .default([0])
      .meta({ "x-kubernetes-list-type": "set" })
      .describe("Exit codes that count as success."),
    output: z
      .object({
        inlineBytes: z
          .int()
          .min(0)
          .max(4096)
          .default(4096)
          .describe(
            "How much of each stream is kept in the status, head and tail, in bytes of its JSON form.",
          ),
      })
      .default({ inlineBytes: 4096 })
      .describe("What is kept of the output."),
  })
  .meta(
    rules({
      rule: `self.args.map(a, a.size()).sum() + self.env.map(e, e.value.size()).sum() + self.stdin.size() <= ${MAX_WORK_CHARACTERS}`,
      message: `args, env and stdin may have ${MAX_WORK_CHARACTERS} characters together: put larger inputs into a file on the node`,
    }),
  )
  .describe("What the node is to have run.");
export type EdgeCommandSpec = z.infer<typeof edgeCommandSpec>;

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
  runID: z.string().max(36).optional().describe("The node's own name for the run."),
  requestedAt: time("When the run was requested; the start deadline counts from here."),
  acceptedAt: time("When the node's journal had it.").optional(),
  startedAt: time("When it was started.").optional(),
  finishedAt: time("When it ended.").optional(),
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
  reason: z.string().max(64).describe("Why the run is where it is, as one CamelCase word."),
  message: z.string().max(1024).describe("Why the run is where it is, for people."),
});
export type RunStatus = z.infer<typeof runStatus>;

const pastRun = z.object({
  declared: z.int().min(1).describe("As in run."),
  revision: revisionField,
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

export interface EdgeCommand extends KubernetesObject {
  readonly spec: EdgeCommandSpec;
  readonly status: EdgeCommandStatus;
}

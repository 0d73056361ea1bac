import { z } from "zod";
import { DURATION_PATTERN } from "../../runtime/duration.ts";
import type { KubernetesObject } from "../meta.ts";
import { LABEL_PATTERN, mapList, rules } from "../rules.ts";
import type { EdgeCommandStatus } from "./edgecommand-status.ts";
import { valueSource } from "./value-source.ts";

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

const envVar = z
  .object({
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
    valueFrom: valueSource
      .optional()
      .describe(
        "Where its value is instead. It is read when the command is sent, and is in no status, event, log or argument.",
      ),
  })
  .meta(
    rules({
      rule: "!has(self.valueFrom) || self.value == ''",
      message: "must have one of value and valueFrom",
    }),
  );

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
    stdinFrom: valueSource
      .optional()
      .describe("Where that is instead, as with the valueFrom of a variable."),
    runAs: z
      .string()
      .min(1)
      .max(32)
      .meta(
        rules({
          rule: "self.matches('^[a-z_][a-z0-9_-]*$')",
          message:
            "must be the name of a user of the node: lower-case letters, digits, '-' and '_'",
        }),
      )
      .optional()
      .describe(
        "The user of the node that it runs as. Unset: the one that the node's policy names, which is an unprivileged one. The policy of the node has the last word.",
      ),
    workingDir: z
      .string()
      .min(1)
      .max(1024)
      .default("/")
      .meta(rules({ rule: "self.startsWith('/')", message: "must be an absolute path" }))
      .describe("Directory in which the command starts."),
    rerun: z
      .string()
      .max(63)
      .default("")
      .meta(
        rules({
          rule: "self.matches('^[A-Za-z0-9._:+-]*$')",
          message: "may have letters, digits and . _ : + - only: a date or a counter will do",
        }),
      )
      .describe(
        "A new value that is not empty runs the same once more. Clearing it never runs anything.",
      ),
    timeout: duration(
      "How long one attempt may run before the node ends it, with all that it started: TERM, a grace period, KILL.",
      "90s, 5m or 1h30m",
    ).default("5m"),
    startDeadline: duration(
      "How long after it was requested the command may still be started. Unset: as long as it is declared, it is wanted.",
      "10m or 24h",
    ).optional(),
    offlinePolicy: z
      .enum(["Wait", "Skip", "Fail"])
      .default("Wait")
      .describe(
        "What becomes of a run that is requested while the node is away. Wait: it is sent when the node is back. Skip: it ends as Skipped, which is fine. Fail: it ends as Failed.",
      ),
    retry: z
      .object({
        limit: z
          .int()
          .min(0)
          .max(100)
          .default(0)
          .describe("How many further attempts a failed one may be followed by."),
        backoff: duration("Pause before the first of them; doubled each time.", "10s").default(
          "10s",
        ),
        maxBackoff: duration("The longest pause.", "10m").default("10m"),
      })
      .default({ limit: 0, backoff: "10s", maxBackoff: "10m" })
      .describe(
        "Attempts after one that failed or timed out. The node makes them by itself, also while it is offline.",
      ),
    idempotent: z
      .boolean()
      .default(false)
      .describe(
        "Whether an attempt that its machine's death interrupted may be followed by another, within retry.limit.",
      ),
    readyWhen: z
      .enum(["Succeeded", "Accepted", "Declared"])
      .default("Succeeded")
      .describe(
        "What Flux, Argo CD and Helm wait for. Succeeded: the end. Accepted: the node has it in its journal. Declared: the controller has taken it up.",
      ),
    suspend: z
      .boolean()
      .default(false)
      .describe(
        "True: it is not sent. What the node has accepted already goes on. The start deadline counts anew on resuming.",
      ),
    cancel: z
      .boolean()
      .default(false)
      .describe(
        "True: it is not sent, and ended where it is already. False again revives nothing: set rerun for that.",
      ),
    ttlAfterFinished: duration(
      "How long after its end the resource is deleted. Unset: it is kept. What Git declares, Git creates again.",
      "1h or 72h",
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
    rules(
      {
        rule: `self.args.map(a, a.size()).sum() + self.env.map(e, e.value.size()).sum() + self.stdin.size() <= ${MAX_WORK_CHARACTERS}`,
        message: `args, env and stdin may have ${MAX_WORK_CHARACTERS} characters together: put larger inputs into a file on the node`,
      },
      {
        rule: "!has(self.stdinFrom) || self.stdin == ''",
        message: "must have one of stdin and stdinFrom",
      },
    ),
  )
  .describe("What the node is to have run.");
export type EdgeCommandSpec = z.infer<typeof edgeCommandSpec>;

export interface EdgeCommand extends KubernetesObject {
  readonly spec: EdgeCommandSpec;
  readonly status: EdgeCommandStatus;
}

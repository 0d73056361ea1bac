import { z } from "zod";
import { conditionList, observedGeneration } from "../conditions.ts";
import type { KubernetesObject } from "../meta.ts";
import { rules } from "../rules.ts";

const fact = z.string().max(128);

/** A NATS user nkey. */
const publicKey = z
  .string()
  .max(56)
  .meta(
    rules({
      rule: "self.matches('^U[A-Z2-7]{55}$')",
      message:
        "must be a public key: U and 55 further letters and digits, as steward agent keygen prints it",
    }),
  );

export const edgeNodeSpec = z
  .object({
    publicKey: publicKey
      .optional()
      .describe(
        "The node's key, as steward agent keygen prints it. Who has its private half is this node. An enrollment fills it in; another one takes the rights of the one before.",
      ),
    enrollment: z
      .object({
        publicKey: publicKey.describe(
          "The public half of a join token, as steward enroll makes it: who has the other half may name this node's key, once.",
        ),
        expiresAt: z
          .string()
          .meta({ format: "date-time" })
          .describe("Until when the token is good."),
      })
      .optional()
      .describe("A join token that was not used yet."),
    disabled: z
      .boolean()
      .default(false)
      .describe(
        "True: the node's credentials are revoked, nothing is sent to it and nothing is heard of it.",
      ),
  })
  .default({ disabled: false })
  .describe("Who the machine is.");
export type EdgeNodeSpec = z.infer<typeof edgeNodeSpec>;

export const edgeNodeStatus = z
  .object({
    observedGeneration,
    session: z
      .object({
        id: z.string().max(36).describe("New with every start of the agent."),
        since: z
          .string()
          .meta({ format: "date-time" })
          .describe("When the controller first heard of it."),
      })
      .optional()
      .describe("The agent's session."),
    ledgerID: z
      .string()
      .max(36)
      .optional()
      .describe(
        "Identity of the node's ledger: another one means that what the node knew is lost.",
      ),
    ledgerSince: z
      .string()
      .meta({ format: "date-time" })
      .optional()
      .describe("When the controller first heard of that ledger."),
    previousLedgerID: z
      .string()
      .max(36)
      .optional()
      .describe(
        "The ledger that the node had before. What was requested before ledgerSince, and is not in the new one, nobody can tell of.",
      ),
    ledgerCounter: z
      .int()
      .min(0)
      .optional()
      .describe(
        "How many runs the ledger had taken on when the session began. A node whose ledger has fewer is refused: it was replaced by an earlier copy.",
      ),
    identity: z
      .object({
        publicKey: z.string().max(56).describe("The key that it was given credentials for."),
        credentialsExpire: z
          .string()
          .meta({ format: "date-time" })
          .optional()
          .describe("Until when the latest of them are good. The agent renews them before."),
        sealingKey: z
          .string()
          .max(43)
          .optional()
          .describe("What secrets for this node are sealed to."),
        trustSerial: z
          .int()
          .min(1)
          .optional()
          .describe("Serial of the set of command keys that the node trusts."),
      })
      .optional()
      .describe("Who the node has proved to be."),
    agentVersion: z.string().max(64).optional().describe("Version of the agent."),
    protocol: z
      .object({
        min: z.int().min(1).describe("Oldest version."),
        max: z.int().min(1).describe("Newest version."),
      })
      .optional()
      .describe("Versions of the protocol that the agent speaks."),
    methods: z
      .array(z.string().max(63))
      .max(64)
      .optional()
      .meta({ "x-kubernetes-list-type": "set" })
      .describe("Methods that the node offers."),
    facts: z
      .object({
        os: fact.describe("Operating system."),
        arch: fact.describe("Processor architecture."),
        kernel: fact.describe("Release of the kernel."),
        hostname: fact.describe("What the machine calls itself."),
      })
      .optional()
      .describe("What the node says of itself."),
    lastTransitionTime: z
      .string()
      .meta({ format: "date-time" })
      .optional()
      .describe("When the node last came or went."),
    conditions: conditionList
      .optional()
      .describe(
        "Ready: whether the node is there. Degraded: its agent reported an error lately. Stalled: it gets no traffic until somebody acts. Insecure: nothing that is said to it or by it is signed.",
      ),
  })
  .default({ observedGeneration: -1 })
  .describe("What is known of the machine.");
export type EdgeNodeStatus = z.infer<typeof edgeNodeStatus>;

export interface EdgeNode extends KubernetesObject {
  readonly spec: EdgeNodeSpec;
  readonly status: EdgeNodeStatus;
}

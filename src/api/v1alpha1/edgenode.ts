import { z } from "zod";
import { conditionList, observedGeneration } from "../conditions.ts";
import type { KubernetesObject } from "../meta.ts";

const fact = z.string().max(128);

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
        "Ready: whether the node is there. Degraded: its agent reported an error lately. Stalled: it gets no traffic until somebody acts.",
      ),
  })
  .default({ observedGeneration: -1 })
  .describe("What is known of the machine.");
export type EdgeNodeStatus = z.infer<typeof edgeNodeStatus>;

export interface EdgeNode extends KubernetesObject {
  readonly status: EdgeNodeStatus;
}

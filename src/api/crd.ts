import { z } from "zod";
import { GROUP, VERSION } from "./group.ts";
import { LABEL_PATTERN, type ValidationRule } from "./rules.ts";
import { edgeCommandSpec } from "./v1alpha1/edgecommand.ts";
import { edgeCommandStatus } from "./v1alpha1/edgecommand-status.ts";
import { edgeNodeSpec, edgeNodeStatus } from "./v1alpha1/edgenode.ts";

export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly jsonPath: string;
  /** 1: only with `-o wide`. */
  readonly priority?: number;
  readonly description: string;
}

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  /** Absent for a kind without a spec. */
  readonly spec?: z.ZodType;
  readonly status: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  readonly selectableFields: readonly string[];
  /** Rules over the whole object: of metadata they see name and generateName. */
  readonly rules?: readonly ValidationRule[];
}

const condition = (type: string): string => `.status.conditions[?(@.type=="${type}")].status`;
const age: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "Age of the resource.",
};

const edgeCommand: Kind = {
  kind: "EdgeCommand",
  plural: "edgecommands",
  singular: "edgecommand",
  shortNames: ["ec"],
  description:
    "EdgeCommand declares what one node should last have run, and tells what the node has really done.",
  spec: edgeCommandSpec,
  status: edgeCommandStatus,
  selectableFields: [".spec.nodeName", ".spec.method", ".status.phase"],
  columns: [
    { name: "Node", type: "string", jsonPath: ".spec.nodeName", description: "The node." },
    { name: "Method", type: "string", jsonPath: ".spec.method", description: "The method." },
    { name: "Phase", type: "string", jsonPath: ".status.phase", description: "Where it is." },
    {
      name: "Exit",
      type: "integer",
      jsonPath: ".status.run.exitCode",
      description: "Exit code of the command.",
    },
    {
      name: "Run",
      type: "date",
      jsonPath: ".status.run.requestedAt",
      description: "Age of the latest run.",
    },
    age,
    {
      name: "Reason",
      type: "string",
      jsonPath: ".status.run.reason",
      priority: 1,
      description: "Why it is there.",
    },
    {
      name: "Attempts",
      type: "integer",
      jsonPath: ".status.run.attempts",
      priority: 1,
      description: "How often it was started.",
    },
    {
      name: "Duration",
      type: "string",
      jsonPath: ".status.run.duration",
      priority: 1,
      description: "How long it ran.",
    },
    {
      name: "Summary",
      type: "string",
      jsonPath: ".status.run.summary",
      priority: 1,
      description: "The end of the run in one line.",
    },
  ],
};

const edgeNode: Kind = {
  kind: "EdgeNode",
  plural: "edgenodes",
  singular: "edgenode",
  shortNames: ["en"],
  rules: [
    {
      rule: `self.metadata.name.matches('${LABEL_PATTERN}')`,
      message:
        "metadata.name: a node's name must be lower-case letters, digits and '-', without dots, 63 at most: it is one token of NATS subjects",
    },
  ],
  description:
    "EdgeNode is one machine at the edge: what it is, what it offers, whether it is there.",
  spec: edgeNodeSpec,
  status: edgeNodeStatus,
  selectableFields: [],
  columns: [
    { name: "Ready", type: "string", jsonPath: condition("Ready"), description: "Is it there?" },
    {
      name: "Version",
      type: "string",
      jsonPath: ".status.agentVersion",
      description: "Version of the agent.",
    },
    { name: "OS", type: "string", jsonPath: ".status.facts.os", description: "Operating system." },
    age,
    {
      name: "Reason",
      type: "string",
      jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
      priority: 1,
      description: "Why it is ready or not.",
    },
    {
      name: "Kernel",
      type: "string",
      jsonPath: ".status.facts.kernel",
      priority: 1,
      description: "Release of the kernel.",
    },
  ],
};

export const KINDS: readonly Kind[] = [edgeCommand, edgeNode];

type JsonObject = Record<string, unknown>;

/** The CustomResourceDefinition of a kind, as plain data. */
export function customResourceDefinition(kind: Kind): JsonObject {
  const properties: JsonObject = {
    apiVersion: { type: "string", description: "Version of the schema of this object." },
    kind: { type: "string", description: "The REST resource that this object is." },
    metadata: { type: "object" },
    ...(kind.spec === undefined ? {} : { spec: structural(kind.spec) }),
    status: structural(kind.status),
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        shortNames: kind.shortNames,
        categories: ["edge"],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          ...(kind.selectableFields.length === 0
            ? {}
            : { selectableFields: kind.selectableFields.map((jsonPath) => ({ jsonPath })) }),
          schema: {
            openAPIV3Schema: {
              type: "object",
              description: kind.description,
              ...(kind.rules === undefined ? {} : { "x-kubernetes-validations": kind.rules }),
              // Without it, deleting the whole spec would go round every rule of immutability.
              ...(isRequired(kind.spec) ? { required: ["spec"] } : {}),
              properties,
            },
          },
        },
      ],
    },
  };
}

/** What has a default is always there. */
function isRequired(spec: z.ZodType | undefined): boolean {
  return spec !== undefined && !spec.safeParse(undefined).success;
}

/**
 * The structural schema that the API server asks for. zod's JSON Schema is nearly that; `io: "input"`,
 * because with "output" every field that has a default would be required.
 */
function structural(schema: z.ZodType): unknown {
  return z.toJSONSchema(schema, {
    target: "openapi-3.0",
    io: "input",
    override: ({ jsonSchema }) => {
      // Integers without a bound of their own get JavaScript's safe range from zod: say nothing instead.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.type === "integer") jsonSchema.format = "int64";
    },
  });
}

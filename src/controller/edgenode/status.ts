import { setConditions, type ConditionClaim } from "../../api/conditions.ts";
import type { EdgeNode, EdgeNodeStatus } from "../../api/v1alpha1/edgenode.ts";
import { safeText } from "../../protocol/output.ts";
import type { NodeView } from "../edgecommand/observe.ts";
import type { NodeEntry } from "./registry.ts";

/** What is known of a node beside its resource. */
export interface NodeKnowledge {
  readonly view: NodeView;
  readonly entry: NodeEntry | undefined;
  /** An error that its agent reported lately. */
  readonly error: string | undefined;
}

/** The whole status of an EdgeNode. Equal inputs make equal statuses, so that heartbeats write nothing. */
export function nodeStatusOf(node: EdgeNode, known: NodeKnowledge, now: string): EdgeNodeStatus {
  const { status, metadata } = node;
  const { view, entry } = known;
  const claims = [...claimsOf(view), ...degradedBy(known.error)];
  const conditions = setConditions(status.conditions ?? [], claims, {
    observedGeneration: metadata.generation,
    now,
  });
  const ready = conditions.find(({ type }) => type === "Ready");
  return {
    ...status,
    observedGeneration: metadata.generation,
    ...(view.kind === "conflict" ? {} : told(status, entry, now)),
    ...(ready === undefined ? {} : { lastTransitionTime: ready.lastTransitionTime }),
    conditions,
  };
}

function told(status: EdgeNodeStatus, entry: NodeEntry | undefined, now: string): EdgeNodeStatus {
  const hello = entry?.hello;
  if (entry === undefined || hello === undefined) return {};
  const isSameSession = status.session?.id === entry.sessionID;
  const since = isSameSession ? (status.session?.since ?? now) : now;
  return {
    session: { id: entry.sessionID, since },
    ledgerID: entry.ledgerID,
    agentVersion: hello.agentVersion,
    protocol: hello.protocol,
    methods: [...new Set(hello.methods)].toSorted(),
    facts: {
      os: safeText(hello.facts.os),
      arch: safeText(hello.facts.arch),
      kernel: safeText(hello.facts.kernel),
      hostname: safeText(hello.facts.hostname),
    },
  };
}

function degradedBy(error: string | undefined): ConditionClaim[] {
  if (error === undefined) return [];
  return [{ type: "Degraded", status: "True", reason: "AgentError", message: error }];
}

function claimsOf(view: NodeView): ConditionClaim[] {
  switch (view.kind) {
    case "present":
    case "arriving":
      return [
        { type: "Ready", status: "True", reason: "Heartbeat", message: "The node says hello." },
      ];
    case "conflict":
      return [
        { type: "Ready", status: "False", reason: "NameConflict", message: view.message },
        { type: "Stalled", status: "True", reason: "NameConflict", message: view.message },
      ];
    case "away":
      return [{ type: "Ready", status: "False", reason: "NodeAway", message: view.message }];
    case "notFound":
      return [];
    default:
      return view satisfies never;
  }
}

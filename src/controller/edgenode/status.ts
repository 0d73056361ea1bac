import { setConditions, type ConditionClaim } from "../../api/conditions.ts";
import type { EdgeNode, EdgeNodeStatus } from "../../api/v1alpha1/edgenode.ts";
import { safeText } from "../../protocol/output.ts";
import type { NodeView } from "../edgecommand/observe.ts";
import { ledgerStatus, rollbackMessage, type Rollback } from "./ledgers.ts";
import type { NodeEntry } from "./registry.ts";

/** What is known of a node beside its resource. */
export interface NodeKnowledge {
  readonly view: NodeView;
  readonly entry: NodeEntry | undefined;
  /** An error that its agent reported lately. */
  readonly error: string | undefined;
  /** Its ledger has forgotten runs. */
  readonly rollback: Rollback | undefined;
  /** Nothing is signed. */
  readonly isInsecure: boolean;
  /** What is written of who it is. */
  readonly identity: EdgeNodeStatus["identity"];
}

/** The whole status of an EdgeNode. Equal inputs make equal statuses, so that heartbeats write nothing. */
export function nodeStatusOf(node: EdgeNode, known: NodeKnowledge, now: string): EdgeNodeStatus {
  const { metadata } = node;
  const { identity: _, ...status } = node.status;
  const claims = [
    ...(rolledBack(status, known) ?? claimsOf(known.view)),
    ...degradedBy(known.error),
    ...(known.isInsecure ? [INSECURE] : []),
  ];
  const conditions = setConditions(status.conditions ?? [], claims, {
    observedGeneration: metadata.generation,
    now,
  });
  const ready = conditions.find(({ type }) => type === "Ready");
  return {
    ...status,
    observedGeneration: metadata.generation,
    ...told(status, known, now),
    ...(known.identity === undefined ? {} : { identity: known.identity }),
    ...(ready === undefined ? {} : { lastTransitionTime: ready.lastTransitionTime }),
    conditions,
  };
}

function told(
  status: EdgeNodeStatus,
  { view, entry, rollback }: NodeKnowledge,
  now: string,
): Partial<EdgeNodeStatus> {
  const hello = entry?.hello;
  if (entry === undefined || hello === undefined || view.kind === "barred") return {};
  if (rollback !== undefined) {
    // The next controller has to know what this one has heard.
    return status.ledgerID === entry.ledgerID ? { ledgerCounter: rollback.had } : {};
  }
  const isSameSession = status.session?.id === entry.sessionID;
  const since = isSameSession ? (status.session?.since ?? now) : now;
  return {
    session: { id: entry.sessionID, since },
    ...ledgerStatus(status, hello, now),
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

/** Until its agent says otherwise, also when another controller was told it. */
function rolledBack(
  { conditions = [] }: EdgeNodeStatus,
  { view, entry, rollback }: NodeKnowledge,
): ConditionClaim[] | undefined {
  if (view.kind === "barred") return undefined;
  const before = conditions.find(
    ({ type, reason }) => type === "Stalled" && reason === ROLLED_BACK,
  );
  const remembered = entry === undefined ? before?.message : undefined;
  const message = rollback === undefined ? remembered : rollbackMessage(rollback);
  return message === undefined ? undefined : stalled(ROLLED_BACK, message);
}

const ROLLED_BACK = "LedgerRolledBack";

function stalled(reason: string, message: string): ConditionClaim[] {
  return [
    { type: "Ready", status: "False", reason, message },
    { type: "Stalled", status: "True", reason, message },
  ];
}

const INSECURE: ConditionClaim = {
  type: "Insecure",
  status: "True",
  reason: "NothingSigned",
  message: "The controller runs with --insecure: whoever is on the broker can command this node.",
};

/** What somebody has asked for is no trouble. */
function barred({ reason, message }: Extract<NodeView, { kind: "barred" }>): ConditionClaim[] {
  if (reason !== "Disabled") return stalled(reason, message);
  return [{ type: "Ready", status: "False", reason, message }];
}

function claimsOf(view: NodeView): ConditionClaim[] {
  switch (view.kind) {
    case "present":
    case "arriving":
      return [
        { type: "Ready", status: "True", reason: "Heartbeat", message: "The node says hello." },
      ];
    case "barred":
      return barred(view);
    case "away":
      return [{ type: "Ready", status: "False", reason: "NodeAway", message: view.message }];
    case "notFound":
      return [];
    default:
      return view satisfies never;
  }
}

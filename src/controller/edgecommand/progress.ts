import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { isGone } from "./node-presence.ts";
import type { NodeRow, Observed } from "./observe.ts";
import { needsConfirmation, SETTLE_MS } from "./offering.ts";
import { isBehindItsNode } from "./run.ts";

/** Where a run is that has not ended: what the node's word, or its absence, makes of it. */
export interface Progress {
  readonly phase: "Suspended" | "WaitingForNode" | "Sent" | "Accepted" | "Running";
  readonly reason: string;
  readonly message: string;
  /** Nothing goes on until a person acts. */
  readonly stalled?: boolean;
}

export function progressOf(run: RunStatus, observed: Observed): Progress {
  if (run.suspendedAt !== undefined) return SUSPENDED;
  const behind = behindItsNode(run, observed);
  if (behind !== undefined) return behind;
  if (observed.command.spec.cancel) return beingCancelled(run, observed);
  if (run.acceptedAt !== undefined) return underWay(run);
  return waiting(observed) ?? sent(observed);
}

const SUSPENDED: Progress = {
  phase: "Suspended",
  reason: "Suspended",
  message: "It is held back by spec.suspend; nothing is sent.",
};

/** `run.reason` may be another by now: then what it was before is told from how far it came. */
function underWay(run: RunStatus): Progress {
  const { reason, message } = run;
  if (reason === "Running") return { phase: "Running", reason, message };
  if (reason === "Queued" || reason === "BackOff") return { phase: "Accepted", reason, message };
  return run.startedAt === undefined
    ? { phase: "Accepted", reason: "Queued", message: "The node has it in its journal." }
    : { phase: "Running", reason: "Running", message: "The node runs it." };
}

/** Until the node has answered, it may be running at this moment: that it is cancelled is no end. */
function beingCancelled(run: RunStatus, observed: Observed): Progress {
  const reason = "CancelRequested";
  if (isGone(observed.node)) {
    const { message } = waiting(observed) ?? sent(observed);
    return { phase: "WaitingForNode", reason, message };
  }
  if (run.acceptedAt !== undefined) {
    return { phase: underWay(run).phase, reason, message: "The node is told to end it." };
  }
  return { ...sent(observed), reason };
}

function waiting({ command, node }: Observed): Progress | undefined {
  const { namespace } = command.metadata;
  const phase = "WaitingForNode";
  const isDone = command.spec.cancel ? "It is withdrawn" : "It is sent";
  switch (node.kind) {
    case "notFound":
      return {
        phase,
        reason: "NodeNotFound",
        message: `There is no EdgeNode "${command.spec.nodeName}" in namespace "${namespace}". ${isDone} as soon as that node registers.`,
      };
    case "barred":
      return { phase, reason: `Node${node.reason}`, message: node.message };
    case "away":
      return {
        phase,
        reason: "NodeAway",
        message: `${node.message} ${isDone} when it is back.`,
      };
    case "arriving":
    case "present":
      return undefined;
    default:
      return node satisfies never;
  }
}

function sent({ brokerDownMs, exchange, command }: Observed): Progress {
  const phase = "Sent";
  const isDone = command.spec.cancel ? "withdrawn" : "sent";
  if (brokerDownMs !== undefined) {
    return {
      phase,
      reason: "BrokerUnavailable",
      message: `There is no connection to NATS; it is ${isDone} when there is one again.`,
    };
  }
  const { failure } = exchange;
  if (failure !== undefined) return { phase, reason: failure.reason, message: failure.message };
  const message =
    exchange.tries === 0
      ? `It is about to be ${isDone}.`
      : `It is ${isDone}; the node has not acknowledged it yet.`;
  return { phase, reason: "AwaitingAck", message };
}

/** The cluster went back in time: nothing is sent until a person has looked. */
function behindItsNode(run: RunStatus, { exchange, command }: Observed): Progress | undefined {
  const { nodeRow } = run;
  const phase = "Sent";
  if (nodeRow !== undefined && isBehindItsNode(run)) {
    const reason =
      exchange.ahead === undefined ? reasonOf(run, nodeRow, command) : REASON[exchange.ahead.kind];
    const whose =
      nodeRow.uid === command.metadata.uid
        ? `this resource at generation ${nodeRow.generation}, or later`
        : `another resource of this name, with uid ${nodeRow.uid}`;
    return {
      phase,
      reason,
      message:
        `The node knows ${whose}; the cluster does not. Was etcd restored from a backup? Nothing is sent. ` +
        "To run it all the same, set spec.rerun to a new value.",
      stalled: true,
    };
  }
  if (exchange.ahead === undefined || exchange.ahead.row !== undefined) return undefined;
  return {
    phase,
    reason: "Superseded",
    message:
      "The node was told that this resource was deleted, and runs nothing more for it. Was etcd restored " +
      "from a backup? Nothing is sent. To run it all the same, delete it and create it again.",
    stalled: true,
  };
}

const REASON = { nodeIsAhead: "NodeIsAhead", superseded: "Superseded" } as const;

/** As an earlier exchange had it, of which only the status is left. */
function reasonOf(run: RunStatus, row: NodeRow, { metadata }: Observed["command"]): string {
  const { reason } = run;
  if (reason === REASON.nodeIsAhead || reason === REASON.superseded) return reason;
  return row.uid === metadata.uid ? REASON.nodeIsAhead : REASON.superseded;
}

/** Whether progress has lasted long enough, or is of a kind that will, to be worth a write. */
export function isWorthAWrite(run: RunStatus, progress: Progress, observed: Observed): boolean {
  const { phase, stalled } = progress;
  if (phase === "WaitingForNode" || phase === "Suspended" || stalled === true) return true;
  const { brokerDownMs, exchange, monotonic, node } = observed;
  if (brokerDownMs !== undefined) return brokerDownMs >= SETTLE_MS;
  // Nothing is asked of a node that is away: what it has accepted is as it was.
  if (run.acceptedAt !== undefined && node.kind !== "present") return true;
  if (exchange.firstTryAt === undefined) return false;
  if (monotonic < exchange.firstTryAt + SETTLE_MS) return false;
  return !needsConfirmation(exchange) || exchange.failure !== undefined;
}

import { objectKey } from "../../api/meta.ts";
import type { Bus, BusMessage } from "../../protocol/bus.ts";
import { decodeMessage, MalformedMessageError } from "../../protocol/envelope.ts";
import { errorEventMessage, type ErrorEvent } from "../../protocol/error-event.ts";
import { safeText } from "../../protocol/output.ts";
import { MAX_ENVELOPE_AGE_MS } from "../../protocol/command.ts";
import type { Clock } from "../../runtime/clock.ts";
import { subscribeToEvents } from "../node-events.ts";
import type { NodeSecurity } from "../node-security.ts";
import type { EventRecorder, NodeStore } from "../ports.ts";
import type { Rejections } from "../rejections.ts";
import { EventBudget } from "./event-budget.ts";
import type { NodeRegistry } from "./registry.ts";

export interface ErrorIntakeOptions {
  readonly nodes: NodeStore;
  readonly registry: NodeRegistry;
  readonly rejections: Rejections;
  readonly security: NodeSecurity;
  readonly events: EventRecorder;
  readonly clock: Clock;
  /** The node's condition Degraded is due. */
  readonly requeue: (key: string) => void;
}

/** Takes errors of agents off the wire: Events on their EdgeNode, and its condition Degraded. */
export function subscribeToErrors(bus: Bus, options: ErrorIntakeOptions): () => void {
  const intake = { ...options, budget: new EventBudget() };
  return subscribeToEvents(bus, "error", options.rejections, (node, message) => {
    take(node, message, intake);
  });
}

interface Intake extends ErrorIntakeOptions {
  readonly budget: EventBudget;
}

function take(name: string, message: BusMessage, options: Intake): void {
  try {
    tell(
      name,
      decodeMessage(errorEventMessage, message.data, options.security.trustOf(name)),
      options,
    );
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    options.rejections.refuse({ node: name, subject: message.subject, error: thrown });
  }
}

/** Only of a node that is known and has said hello from that namespace; an old one is no news. */
function tell(name: string, error: ErrorEvent, options: Intake): void {
  const { nodes, registry, events, clock, requeue, budget } = options;
  const { namespace, severity, signedAt } = error;
  if (error.node !== name)
    throw new MalformedMessageError("payload.node: not the node of the subject");
  if (signedAt !== undefined && Math.abs(clock.now() - Date.parse(signedAt)) > MAX_ENVELOPE_AGE_MS)
    return;
  const key = objectKey({ namespace, name });
  const node = nodes.get(key);
  if (node === undefined || registry.get(name)?.namespace !== namespace) return;
  const note = safeText(`${error.process}: ${error.message}`);
  const type = severity === "warning" ? "Normal" : "Warning";
  const now = clock.monotonic();
  if (budget.take(name, now)) {
    events.record(node, { type, reason: "AgentError", action: "Report", note });
  }
  if (severity !== "warning" && registry.noteError(name, note, now)) requeue(key);
}

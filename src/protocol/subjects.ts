import { isMethod, isMethodToken, isNodeName } from "./names.ts";

/**
 * All NATS subjects of Steward: `<node>.<command|event>.<method>`. Nothing else builds or takes apart a
 * subject. The functions throw a RangeError on names that are not one valid token.
 */

export type EventName = "hello" | "result" | "error" | "enroll";

/** Controller to agent, request: one command. */
export function commandSubject(node: string, method: string): string {
  if (!isMethod(method)) throw new RangeError(`"${method}" is not a method name`);
  return `${validNode(node)}.command.${method}`;
}

/** Controller to agent, request: withdraw a run, or all of a deleted resource. */
export function withdrawalSubject(node: string): string {
  return `${validNode(node)}.command.cancel`;
}

/** Controller to agent, request: say hello now. */
export function helloRequestSubject(node: string): string {
  return `${validNode(node)}.command.hello`;
}

/** What an agent subscribes to: everything that is said to its node. */
export function commandsOfNode(node: string): string {
  return `${validNode(node)}.command.*`;
}

/** Agent to controller. */
export function eventSubject(node: string, event: EventName): string {
  return `${validNode(node)}.event.${event}`;
}

/** What a controller subscribes to: one kind of event, of all nodes. */
export function eventsOfAllNodes(event: EventName): string {
  return `*.event.${event}`;
}

export interface SubjectParts {
  readonly node: string;
  readonly direction: "command" | "event";
  readonly method: string;
}

/**
 * The parts of a subject, or undefined if it is not one of ours. The node of a received message is taken
 * from here and from nowhere else: the broker vouches for the subject, nobody for the payload.
 */
export function parseSubject(subject: string): SubjectParts | undefined {
  const [node, direction, method, ...rest] = subject.split(".");
  if (node === undefined || method === undefined || rest.length > 0) return undefined;
  if (!isNodeName(node) || !isMethodToken(method)) return undefined;
  if (direction !== "command" && direction !== "event") return undefined;
  return { node, direction, method };
}

/** Upper case: no node can have this name. */
export const CONTROLLER_INBOX = "_INBOX_CONTROLLER";

/** Upper case as well: of agents that have no credentials of their own yet. */
export const ENROLLMENT_INBOX = "_INBOX_ENROLL";

/** Where the replies to a node's requests go. */
export function nodeInbox(node: string): string {
  return `_INBOX_${validNode(node)}`;
}

/**
 * Whether a reply subject lies in the given inbox. NATS permissions do not confine reply subjects: a
 * receiver that answered any of them would publish, with its own rights, wherever the sender likes.
 */
export function isReplyTo(inbox: string, reply: string | undefined): reply is string {
  return reply !== undefined && reply.startsWith(`${inbox}.`);
}

function validNode(node: string): string {
  if (!isNodeName(node)) throw new RangeError(`"${node}" is not a node name`);
  return node;
}

import type { Refusal } from "../protocol/ack.ts";
import { MAX_ENVELOPE_AGE_MS, type Command } from "../protocol/command.ts";
import type { SubjectParts } from "../protocol/subjects.ts";

/** Who the agent is, and when: what every command is held against before its content matters. */
export interface Admission {
  readonly node: string;
  readonly namespace: string;
  /** The cluster that the agent is pinned to. */
  readonly clusterID: string;
  readonly sessionID: string;
  /** Controller time in milliseconds since the epoch. */
  readonly now: number;
}

export interface Refused {
  readonly reason: Refusal;
  readonly message: string;
}

/** Whether the agent may consider a command at all: undefined if it may. Pure; the first check wins. */
export function refusalOf(
  command: Command,
  subject: SubjectParts,
  own: Admission,
): Refused | undefined {
  if (command.node !== own.node || subject.node !== own.node) {
    return refused("WrongNode", `this is node ${own.node}`);
  }
  if (command.work.method !== subject.method) {
    return refused("Malformed", "payload.work.method: is not the method of the subject");
  }
  if (command.namespace !== own.namespace) {
    return refused("WrongNamespace", `this node belongs to namespace ${own.namespace}`);
  }
  if (command.clusterID !== own.clusterID) {
    return refused("WrongCluster", `this node belongs to cluster ${own.clusterID}`);
  }
  if (command.sessionID !== own.sessionID) {
    return refused("WrongSession", "this is for another session of the agent");
  }
  return ageRefusal(Date.parse(command.signedAt), own.now);
}

/** A moment that is no moment (NaN) is refused as well. */
function ageRefusal(signedAt: number, now: number): Refused | undefined {
  const age = now - signedAt;
  if (Math.abs(age) <= MAX_ENVELOPE_AGE_MS) return undefined;
  const seconds = Math.round(Math.abs(age) / 1_000);
  if (age > 0) return refused("Stale", `it was signed ${seconds} s ago`);
  return refused("Stale", `it was signed ${seconds} s in the future`);
}

function refused(reason: Refusal, message: string): Refused {
  return { reason, message };
}

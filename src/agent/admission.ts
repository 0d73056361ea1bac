import type { Refusal } from "../protocol/ack.ts";
import { MAX_ENVELOPE_AGE_MS, type Command } from "../protocol/command.ts";
import type { HelloRequest } from "../protocol/hello.ts";
import type { SubjectParts } from "../protocol/subjects.ts";
import type { Withdrawal } from "../protocol/withdrawal.ts";

/** Who the agent is, and when: what everything that comes is held against before its content matters. */
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

/**
 * Whether the agent may consider a command or a withdrawal at all: undefined if it may. Pure; the first check
 * wins.
 */
export function refusalOf(
  message: Command | Withdrawal,
  subject: SubjectParts,
  own: Admission,
): Refused | undefined {
  if (message.node !== own.node || subject.node !== own.node) {
    return refused("WrongNode", `this is node ${own.node}`);
  }
  if ("work" in message && message.work.method !== subject.method) {
    return refused("Malformed", "payload.work.method: is not the method of the subject");
  }
  if (message.namespace !== own.namespace) {
    return refused("WrongNamespace", `this node belongs to namespace ${own.namespace}`);
  }
  if (message.clusterID !== own.clusterID) {
    return refused("WrongCluster", `this node belongs to cluster ${own.clusterID}`);
  }
  if (message.sessionID !== own.sessionID) {
    return refused("WrongSession", "this is for another session of the agent");
  }
  return ageRefusal(Date.parse(message.signedAt), own.now);
}

/** Who the agent is as far as it knows before its first contact with a controller. */
export interface HelloRequestAdmission {
  readonly node: string;
  readonly clusterID: string | undefined;
  /** Controller time in milliseconds since the epoch. */
  readonly now: number | undefined;
  /** The `signedAt` of the last request that was heeded. */
  readonly last: string | undefined;
}

/** Whether the agent is to say hello because of this: each request is heeded once, while it is fresh. Pure. */
export function isHelloWanted(request: HelloRequest, own: HelloRequestAdmission): boolean {
  if (request.node !== own.node) return false;
  if (own.clusterID !== undefined && request.clusterID !== own.clusterID) return false;
  const signedAt = Date.parse(request.signedAt);
  if (own.last !== undefined && signedAt <= Date.parse(own.last)) return false;
  return own.now === undefined || ageRefusal(signedAt, own.now) === undefined;
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

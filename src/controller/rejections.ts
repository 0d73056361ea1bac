import type { EdgeNode } from "../api/v1alpha1/edgenode.ts";
import { UntrustedMessageError, type MalformedMessageError } from "../protocol/envelope.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { NoticeLog } from "../runtime/notice-log.ts";
import type { ControllerRecorder, EventClaim, EventRecorder } from "./ports.ts";

/** Between two Events of one kind on one EdgeNode. */
const EVENT_INTERVAL_MS = 600_000;

export interface RejectionsOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly events: EventRecorder;
  /** The EdgeNode that a node name belongs to. */
  readonly ownerOf: (node: string) => EdgeNode | undefined;
  /** The one namespace that this controller serves. */
  readonly namespace?: string | undefined;
  readonly recorder?: Pick<ControllerRecorder, "commands" | "identity"> | undefined;
}

/** A message of which nothing is taken: where it came from, and why. */
export interface Rejected {
  readonly node: string;
  readonly subject: string;
  readonly error: MalformedMessageError;
}

/**
 * Messages that are not taken: each subject and reason is logged once, and every one is counted. Of those that are
 * not signed by the node that they claim to be of, its EdgeNode is told.
 */
export class Rejections {
  readonly #options: RejectionsOptions;
  readonly #notices: NoticeLog;
  /** When which Event was last told, by the uid of the EdgeNode and the reason. */
  readonly #toldAt = new Map<string, number>();

  constructor(options: RejectionsOptions) {
    this.#options = options;
    this.#notices = new NoticeLog(options.logger);
  }

  note(subject: string, reason: string): void {
    this.#options.recorder?.commands.rejected(subject);
    this.#notices.note(subject, reason, "malformed message rejected");
  }

  refuse({ node, subject, error }: Rejected): void {
    if (!(error instanceof UntrustedMessageError)) {
      this.note(subject, error.message);
      return;
    }
    const { namespace, ownerOf } = this.#options;
    // Nodes of other controllers speak on the same broker.
    if (namespace !== undefined && ownerOf(node) === undefined) return;
    this.#options.recorder?.identity.distrusted(subject);
    this.#notices.note(subject, error.message, "message of nobody who may speak as this node");
    this.tell(node, {
      type: "Warning",
      reason: "UntrustedMessage",
      action: "Verify",
      note:
        `A message on ${subject} is not signed by the key of this node, and nothing of it is taken. ` +
        "Was the node enrolled anew, or has somebody else its credentials?",
    });
  }

  /** An Event on the EdgeNode of that name, if there is one and it was not told of this lately. */
  tell(node: string, event: EventClaim): void {
    const { ownerOf, clock, events } = this.#options;
    const owner = ownerOf(node);
    if (owner === undefined || owner.spec.disabled) return;
    const now = clock.monotonic();
    const key = `${owner.metadata.uid} ${event.reason}`;
    const last = this.#toldAt.get(key);
    if (last !== undefined && now - last < EVENT_INTERVAL_MS) return;
    for (const [other, at] of this.#toldAt) {
      if (now - at < EVENT_INTERVAL_MS) break;
      this.#toldAt.delete(other);
    }
    this.#toldAt.delete(key);
    this.#toldAt.set(key, now);
    events.record(owner, event);
  }
}

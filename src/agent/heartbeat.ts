import type { Bus } from "../protocol/bus.ts";
import { decodeMessage, encodeMessage, MalformedMessageError } from "../protocol/envelope.ts";
import { helloMessage, helloReplyMessage, type Hello, type HelloReply } from "../protocol/hello.ts";
import { eventSubject } from "../protocol/subjects.ts";
import { backoffMs } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { ControllerClock } from "./controller-clock.ts";
import { NoticeLog } from "../runtime/notice-log.ts";
import { Wakeup } from "./wakeup.ts";

const HELLO_TIMEOUT_MS = 5_000;
/** Of the interval, how far a heartbeat may be early or late: a fleet must not beat in step. */
const JITTER = 0.1;
const FIRST_RETRY_MS = 1_000;

export interface HeartbeatOptions {
  readonly node: string;
  readonly intervalMs: number;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly controllerClock: ControllerClock;
  /** What to say, at this moment. */
  readonly hello: () => Hello;
  /** The cluster that the node belongs to, which the first accepted hello decides. */
  readonly cluster: {
    readonly clusterID: string | undefined;
    pinCluster(clusterID: string): Promise<void>;
  };
  /** Called after every hello that a controller of that cluster accepted. */
  readonly onAccepted: () => void;
}

type Answer = "accepted" | "refused" | "unanswered";

/**
 * Says hello on every connection, every so often, and when asked; sooner while nobody answers, so that
 * a controller that comes back knows its nodes soon. From the replies the agent has the time and its
 * cluster.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #wakeup: Wakeup;
  readonly #notices: NoticeLog;
  #last: Answer | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#wakeup = new Wakeup(options.clock);
    this.#notices = new NoticeLog(options.logger);
  }

  /** Says hello at once, or once more if that is under way. */
  sayNow(): void {
    this.#wakeup.wake();
  }

  /** The supervised process. */
  async run(signal: AbortSignal): Promise<void> {
    const { bus } = this.#options;
    const ignore = bus.onConnectedChange((connected) => {
      if (connected) this.sayNow();
    });
    try {
      let unanswered = 0;
      while (!signal.aborted) {
        const answer = await this.#say(signal);
        unanswered = answer === "unanswered" ? unanswered + 1 : 0;
        if (!signal.aborted) this.#logChange(answer);
        await this.#wakeup.sleep(this.#pauseMs(unanswered), signal);
      }
    } finally {
      ignore();
    }
  }

  #pauseMs(unanswered: number): number {
    const { intervalMs, random } = this.#options;
    if (unanswered === 0) return intervalMs * (1 - JITTER + 2 * JITTER * random());
    const policy = { initialMs: Math.min(FIRST_RETRY_MS, intervalMs), maxMs: intervalMs };
    return backoffMs(policy, unanswered - 1, random);
  }

  async #say(signal: AbortSignal): Promise<Answer> {
    const { bus, node, hello } = this.#options;
    const data = encodeMessage(helloMessage, hello());
    const subject = eventSubject(node, "hello");
    const outcome = await bus.request(subject, data, { timeoutMs: HELLO_TIMEOUT_MS, signal });
    return outcome.kind === "reply" ? this.#heard(outcome.data) : "unanswered";
  }

  async #heard(data: Uint8Array): Promise<Answer> {
    const { cluster, controllerClock, onAccepted } = this.#options;
    const reply = decoded(data);
    if (reply === undefined) return this.#refused("MalformedReply", "the reply cannot be read");
    if (!reply.accepted) return this.#refused(reply.reason, reply.message);
    if (cluster.clusterID !== undefined && cluster.clusterID !== reply.clusterID) {
      const text = `cluster ${reply.clusterID} answered; this node belongs to ${cluster.clusterID}`;
      return this.#refused("WrongCluster", text);
    }
    controllerClock.set(Date.parse(reply.time));
    if (cluster.clusterID === undefined) await cluster.pinCluster(reply.clusterID);
    onAccepted();
    return "accepted";
  }

  #refused(reason: string, message: string): Answer {
    this.#notices.note("hello", reason, `no hello is accepted: ${message}`);
    return "refused";
  }

  #logChange(answer: Answer): void {
    if (answer === this.#last) return;
    this.#last = answer;
    const { logger } = this.#options;
    if (answer === "accepted") logger.info({}, "the controller knows this node");
    if (answer === "unanswered")
      logger.warn({}, "no controller answers; saying hello until one does");
  }
}

function decoded(data: Uint8Array): HelloReply | undefined {
  try {
    return decodeMessage(helloReplyMessage, data);
  } catch (thrown) {
    if (thrown instanceof MalformedMessageError) return undefined;
    throw thrown;
  }
}

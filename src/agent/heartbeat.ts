import type { Bus } from "../protocol/bus.ts";
import type { CommandKeySet } from "../protocol/command-keys.ts";
import {
  decodeReply,
  encodeMessage,
  MalformedMessageError,
  UntrustedMessageError,
} from "../protocol/envelope.ts";
import { helloMessage, helloReplyMessage, type HelloReply } from "../protocol/hello.ts";
import { eventSubject } from "../protocol/subjects.ts";
import { backoffMs } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ErrorKernel } from "../runtime/errorkernel.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { ControllerClock } from "./controller-clock.ts";
import { NoticeLog } from "../runtime/notice-log.ts";
import type { OwnHello } from "./own-hello.ts";
import type { AgentSecurity } from "./security.ts";
import type { UntrustedReports } from "./untrusted-reports.ts";
import { Wakeup } from "./wakeup.ts";

const HELLO_TIMEOUT_MS = 5_000;
/** Of the interval, how far a heartbeat may be early or late: a fleet must not beat in step. */
const JITTER = 0.1;
const FIRST_RETRY_MS = 1_000;
/** A stale hello is said again at once, so often in a row: the reply has told the time. */
const STALE_RETRIES = 3;

export interface HeartbeatOptions {
  readonly node: string;
  readonly intervalMs: number;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly kernel: ErrorKernel;
  readonly controllerClock: ControllerClock;
  readonly security: Pick<AgentSecurity, "signers" | "trust" | "learn">;
  readonly untrusted: UntrustedReports;
  /** What to say, at this moment. */
  readonly hello: () => OwnHello;
  /** The cluster that the node belongs to, which the first accepted hello decides. */
  readonly cluster: {
    readonly clusterID: string | undefined;
    pinCluster(clusterID: string): Promise<void>;
  };
  /** Called after every reply of a controller of that cluster: the time is known, and may have changed. */
  readonly onTime: () => void;
  /** Called after every hello that one of them accepted. */
  readonly onAccepted: () => void;
}

type Answer = "accepted" | "stale" | "refused" | "unanswered";

/**
 * Says hello on every connection, every so often, and when asked; sooner while nobody answers, so that
 * a controller that comes back knows its nodes soon. From the replies, also those that refuse, the agent has
 * the time, its cluster, and the keys of its controllers.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #wakeup: Wakeup;
  readonly #notices: NoticeLog;
  #last: Answer | undefined;
  #sequence = 0;

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
      let stale = 0;
      while (!signal.aborted) {
        const answer = await this.#say(signal);
        unanswered = answer === "unanswered" ? unanswered + 1 : 0;
        stale = answer === "stale" ? stale + 1 : 0;
        if (!signal.aborted) this.#logChange(answer);
        if (stale > 0 && stale <= STALE_RETRIES) continue;
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
    const { bus, node, hello, controllerClock, security } = this.#options;
    this.#sequence += 1;
    const said = { ...hello(), node, sequence: this.#sequence, ...controllerClock.signedAt() };
    const data = encodeMessage(helloMessage, said, security.signers);
    const subject = eventSubject(node, "hello");
    const outcome = await bus.request(subject, data, { timeoutMs: HELLO_TIMEOUT_MS, signal });
    return outcome.kind === "reply" ? this.#heard(outcome.data, data) : "unanswered";
  }

  async #heard(data: Uint8Array, request: Uint8Array): Promise<Answer> {
    const { cluster, controllerClock, onTime, onAccepted } = this.#options;
    const reply = this.#decoded(data, request);
    if (reply === undefined) {
      return this.#refused("MalformedReply", "the reply cannot be read or believed");
    }
    if (cluster.clusterID !== undefined && cluster.clusterID !== reply.clusterID) {
      const text = `cluster ${reply.clusterID} answered; this node belongs to ${cluster.clusterID}`;
      return this.#refused("WrongCluster", text);
    }
    controllerClock.set(Date.parse(reply.time));
    onTime();
    if (reply.commandKeys !== undefined) await this.#learn(reply.commandKeys);
    if (!reply.accepted) {
      const answer = this.#refused(reply.reason, reply.message);
      return reply.reason === "Stale" ? "stale" : answer;
    }
    if (cluster.clusterID === undefined) await cluster.pinCluster(reply.clusterID);
    onAccepted();
    return "accepted";
  }

  #decoded(data: Uint8Array, request: Uint8Array): HelloReply | undefined {
    const { security, untrusted } = this.#options;
    try {
      return decodeReply(helloReplyMessage, data, { request, trust: security.trust });
    } catch (thrown) {
      if (!(thrown instanceof MalformedMessageError)) throw thrown;
      if (thrown instanceof UntrustedMessageError) {
        untrusted.report("heartbeat", helloReplyMessage.name, thrown);
      }
      return undefined;
    }
  }

  /** Keys that cannot be kept are not believed; the controller signs with the old ones meanwhile. */
  async #learn(commandKeys: CommandKeySet): Promise<void> {
    try {
      await this.#options.security.learn(commandKeys);
    } catch (thrown) {
      this.#options.kernel.report({ process: "heartbeat", severity: "warning", thrown });
    }
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

import type { JwtFacts } from "../identity/user-jwt.ts";
import type { Bus } from "../protocol/bus.ts";
import { timestampOf, type Clock } from "../runtime/clock.ts";
import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import type { ErrorKernel } from "../runtime/errorkernel.ts";
import type { Logger } from "../runtime/logger.ts";
import { NoticeLog } from "../runtime/notice-log.ts";
import type { Random } from "../runtime/random.ts";
import type { ControllerClock } from "./controller-clock.ts";
import { enroll, type EnrollingIdentity, type EnrollOutcome } from "./enrollment.ts";
import type { NodeIdentity } from "./node-identity.ts";
import { untilConnected } from "./until-connected.ts";
import { Wakeup } from "./wakeup.ts";

/** From 2 s to 5 min, with jitter. */
const RETRY: BackoffPolicy = { initialMs: 4_000, maxMs: 300_000 };
/** How long it sleeps at most before it looks at the time again, which a controller may have set meanwhile. */
const LOOK_INTERVAL_MS = 60_000;
const CONNECTION_WAIT_MS = 30_000;

/** A bus for one attempt. */
export type EnrollmentBus = Bus & AsyncDisposable;

export interface CredentialsOptions {
  readonly identity: EnrollingIdentity & Pick<NodeIdentity, "credentialFacts">;
  /** Connects to the broker as one who may only enroll. */
  readonly openEnrollmentBus: () => EnrollmentBus;
  /** New credentials are there: the node's own bus need not wait any longer. */
  readonly dialNow: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly newID: () => string;
  readonly logger: Logger;
}

/** What of the agent the process needs. */
export interface CredentialsSurroundings {
  /** The node's own. */
  readonly bus: Bus;
  readonly controllerClock: Pick<ControllerClock, "now">;
  readonly kernel: ErrorKernel;
}

/** How to get credentials now, if at all. */
export type CredentialsStep = "wait" | "renew" | "enroll";

/** When credentials are to be renewed: at two thirds of their life; milliseconds since the epoch. */
export function renewalTime({ issuedAt, expiresAt = Infinity }: JwtFacts): number {
  return issuedAt + ((expiresAt - issuedAt) * 2) / 3;
}

/**
 * Pure. `now`: controller time in milliseconds since the epoch, if it is known. Over the node's own connection they
 * are renewed when it is time to; without one, they are asked for only if the present ones are of no use: a node that
 * is merely offline stays so.
 */
export function credentialsStep(state: {
  readonly facts: JwtFacts | undefined;
  readonly connected: boolean;
  readonly refused: boolean;
  readonly now: number | undefined;
}): CredentialsStep {
  const { facts, connected, refused, now = Number.NEGATIVE_INFINITY } = state;
  if (facts === undefined || (refused && !connected)) return "enroll";
  if (connected) return now >= renewalTime(facts) ? "renew" : "wait";
  return now >= (facts.expiresAt ?? Infinity) ? "enroll" : "wait";
}

/**
 * Keeps the node's credentials good: gets the first ones, renews them in time, and has new ones made when the broker
 * does not take them any more. Whatever happens, it tries again.
 */
export class Credentials {
  readonly #options: CredentialsOptions;
  readonly #wakeup: Wakeup;
  readonly #notices: NoticeLog;
  #refused = false;

  constructor(options: CredentialsOptions) {
    this.#options = options;
    this.#wakeup = new Wakeup(options.clock);
    this.#notices = new NoticeLog(options.logger);
  }

  /** The broker does not take the node's credentials. */
  refused(): void {
    if (this.#refused) return;
    this.#refused = true;
    this.#wakeup.wake();
  }

  /** The supervised process. */
  async run(surroundings: CredentialsSurroundings, signal: AbortSignal): Promise<void> {
    const { bus } = surroundings;
    let attempts = 0;
    const ignore = bus.onConnectedChange((connected) => {
      if (!connected) return;
      // The broker has taken them: what comes now is another trouble.
      this.#refused = false;
      attempts = 0;
    });
    try {
      while (!signal.aborted) {
        const step = this.#step(surroundings);
        if (step !== "wait") {
          await this.#attempt(step, surroundings, signal);
          attempts += 1;
        } else if (bus.connected) {
          attempts = 0;
        }
        await this.#pause(step, attempts, signal);
      }
    } finally {
      ignore();
    }
  }

  #step({ bus, controllerClock }: CredentialsSurroundings): CredentialsStep {
    return credentialsStep({
      facts: this.#options.identity.credentialFacts,
      connected: bus.connected,
      refused: this.#refused,
      now: controllerClock.now(),
    });
  }

  /** Not even a refusal shortens the wait after an attempt. */
  async #pause(step: CredentialsStep, attempts: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    if (step === "wait") await this.#wakeup.sleep(LOOK_INTERVAL_MS, signal);
    else await clock.sleep(backoffMs(RETRY, Math.max(0, attempts - 1), random), signal);
  }

  async #attempt(
    step: "renew" | "enroll",
    { bus, kernel }: CredentialsSurroundings,
    signal: AbortSignal,
  ): Promise<void> {
    const { identity, newID } = this.#options;
    try {
      const outcome =
        step === "renew"
          ? await enroll({ identity, bus, newID }, signal)
          : await this.#enrollApart(signal);
      if (!signal.aborted) this.#settle(outcome);
    } catch (thrown) {
      kernel.report({ process: "credentials", severity: "warning", thrown });
    }
  }

  async #enrollApart(signal: AbortSignal): Promise<EnrollOutcome> {
    const { identity, newID, clock, openEnrollmentBus } = this.#options;
    await using bus = openEnrollmentBus();
    if (await untilConnected(bus, { clock, ms: CONNECTION_WAIT_MS }, signal)) {
      return await enroll({ identity, bus, newID }, signal);
    }
    return { kind: "unanswered", message: "the broker cannot be reached" };
  }

  #settle(outcome: EnrollOutcome): void {
    const { logger, identity, dialNow } = this.#options;
    if (outcome.kind === "enrolled") {
      const expiresAt = identity.credentialFacts?.expiresAt;
      const until = expiresAt === undefined ? {} : { until: timestampOf(expiresAt) };
      logger.info(until, "the node has new credentials");
      this.#refused = false;
      dialNow();
      return;
    }
    const reason = outcome.kind === "refused" ? outcome.reason : "NoAnswer";
    this.#notices.note("enroll", reason, `no credentials for this node: ${outcome.message}`);
  }
}

import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { ApiError } from "./api-error.ts";
import { abortable, startDeadline } from "./deadline.ts";
import { createLeaseClient, type LeaseClient } from "./lease-client.ts";
import {
  checkLeaseTimings,
  DEFAULT_LEASE_TIMINGS,
  leadsUntil,
  nextStep,
  sight,
  type Call,
  type LeaseTimings,
  type Sighting,
  type Standing,
} from "./lease-decision.ts";
import { heldSpec, holderOf, releasedSpec, type Lease } from "./lease.ts";
import { TransportError } from "./transport-error.ts";
import type { Transport } from "./transport.ts";

/** Between two sleeps at most: write, refused; read; write, refused; read. */
const STEPS_PER_ROUND = 4;
const RELEASE_TRIES = 3;

export interface LeaderElectionOptions {
  readonly transport: Pick<Transport, "request">;
  readonly namespace: string;
  readonly name: string;
  /** **Unique to this process**: whoever finds its own identity in the lease believes it. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly timings?: LeaseTimings;
  /** The work of the leader. It ends when the signal is aborted; until it has ended nothing is released. */
  readonly onStartedLeading: (signal: AbortSignal) => Promise<void>;
}

/** This process led and another one may lead now. Whoever meets it should end the process. */
export class LeadershipLostError extends Error {
  override readonly name = "LeadershipLostError";
}

/**
 * Leader election by a Lease, with the semantics of client-go's: of all electors of one lease at most one
 * leads, as long as their monotonic clocks go at about the same speed. Wall clocks play no part.
 *
 * INVARIANTS
 * - Leadership ends, for `isLeader` at once and for the work's signal as soon as this process runs, when no
 *   renewal that started within `renewDeadlineMs` has succeeded; another's begins `leaseMs` after it at the
 *   earliest. A process that was stopped finds out by its clock before it acts (CLOCK_MONOTONIC goes on
 *   during SIGSTOP; while the whole machine is suspended it does not, and then only the next renewal tells).
 * - Within one `run`, leadership that has ended does not come back.
 * - Every write replaces the version that was read. After one that failed the lease is read before anything
 *   is decided: a write without an answer may have been done.
 */
export class LeaderElector {
  readonly #options: LeaderElectionOptions;
  readonly #timings: LeaseTimings;
  readonly #client: LeaseClient;
  readonly #logger: Logger;
  #running = false;
  #renewedAt: number | undefined;
  #seen: Standing["seen"] = "unknown";
  #sighting: Sighting | undefined;
  /** Whether a write of ours was sent: the lease may have our name, whatever was answered. */
  #mayHold = false;
  /** The first of the errors since the lease could last be read and written. */
  #trouble: unknown;
  #leaderTold = "";

  constructor(options: LeaderElectionOptions) {
    const { transport, namespace, name, identity, logger, timings } = options;
    if (identity === "") throw new RangeError("identity must not be empty: that is a free lease");
    this.#options = options;
    this.#timings = timings ?? DEFAULT_LEASE_TIMINGS;
    checkLeaseTimings(this.#timings);
    this.#client = createLeaseClient(transport, namespace, name);
    this.#logger = logger.child({ lease: `${namespace}/${name}`, identity });
  }

  /**
   * Whether this process leads now, by its clock and not by what it last did: a process that was stopped
   * gets a no before it has looked at anything.
   */
  get isLeader(): boolean {
    const renewedAt = this.#renewedAt;
    return renewedAt !== undefined && this.#now() < leadsUntil(renewedAt, this.#timings);
  }

  /**
   * Milliseconds since the last successful renewal was started; undefined unless this process holds itself
   * for the leader. For a health check, as client-go's: more than `leaseMs` and some tolerance means that
   * the elector is stuck.
   */
  get renewalAgeMs(): number | undefined {
    return this.#renewedAt === undefined ? undefined : this.#now() - this.#renewedAt;
  }

  /**
   * Waits to lead, then leads until `stop` is aborted or the work ends; then waits for the work (for as long
   * as leadership lasts) and releases the lease, for a standby to take it within a poll. Resolves after
   * that. Throws LeadershipLostError, after the work has ended or the lease has run out, and what the work
   * throws. May be called again when it has ended.
   */
  async run(stop: AbortSignal): Promise<void> {
    if (this.#running) throw new Error("this elector is running already");
    this.#running = true;
    try {
      if (await this.#acquire(stop)) await this.#lead(stop);
      else await this.#release();
    } finally {
      this.#forget();
    }
  }

  /** Resolves to whether it leads; false only after `stop`. */
  async #acquire(stop: AbortSignal): Promise<boolean> {
    const { clock, random } = this.#options;
    const { retryMs, jitter } = this.#timings;
    while (!stop.aborted) {
      await this.#round(stop);
      if (stop.aborted) break;
      if (this.isLeader) return true;
      // Of a lease that was won by a write that took too long.
      this.#renewedAt = undefined;
      await clock.sleep(retryMs * (1 + random() * (jitter - 1)), stop);
      this.#seen = "unknown";
    }
    return false;
  }

  async #lead(stop: AbortSignal): Promise<void> {
    const leading = new AbortController();
    const workEnded = new AbortController();
    this.#logger.info({}, "became the leader");
    this.#leaderTold = this.#options.identity;
    const work = this.#work(leading.signal).finally(() => workEnded.abort());
    // Whoever awaits it comes later, or never.
    work.catch(() => undefined);
    const why = await this.#renew(AbortSignal.any([stop, workEnded.signal]));
    if (why !== undefined) throw await this.#lose(why, leading, work);
    leading.abort();
    if (await this.#settles(work, this.#leadershipLeftMs())) await this.#release();
    else this.#logger.warn({}, "the work has not ended in time: the lease is left to expire");
    if (workEnded.signal.aborted) await work;
  }

  async #work(signal: AbortSignal): Promise<void> {
    await this.#options.onStartedLeading(signal);
  }

  /** Renews until `until` is aborted, or leadership is lost: then it says why. */
  async #renew(until: AbortSignal): Promise<string | undefined> {
    while (!until.aborted) {
      await this.#options.clock.sleep(
        Math.min(this.#timings.retryMs, this.#leadershipLeftMs()),
        until,
      );
      const why = await this.#round(until);
      if (why !== undefined) return why;
    }
    return undefined;
  }

  /** Takes leadership from the work, at once, and waits for it until somebody else may lead. */
  async #lose(why: string, leading: AbortController, work: Promise<void>): Promise<Error> {
    const { leaseMs } = this.#timings;
    const leaseLeftMs = Math.max(0, leaseMs - (this.renewalAgeMs ?? leaseMs));
    this.#renewedAt = undefined;
    const cause = this.#trouble === undefined ? {} : { cause: this.#trouble };
    const error = new LeadershipLostError(`leadership lost: ${why}`, cause);
    leading.abort(error);
    this.#logger.error({}, errorMessage(error));
    await this.#settles(work, leaseLeftMs);
    return error;
  }

  /** Does what is to be done now; says why, if leadership is lost. */
  async #round(signal: AbortSignal): Promise<string | undefined> {
    for (let steps = 0; steps < STEPS_PER_ROUND && !signal.aborted; steps += 1) {
      const { identity } = this.#options;
      const standing = { identity, renewedAt: this.#renewedAt, seen: this.#seen };
      const step = nextStep(standing, this.#now(), this.#timings);
      if (step.kind === "stepDown") return step.why;
      if (step.kind === "wait") {
        this.#tellEndOfTrouble();
        return undefined;
      }
      if (await this.#took(step, signal)) return undefined;
    }
    return undefined;
  }

  /** Takes a step; resolves to whether that is all for this round. */
  async #took(step: Call, signal: AbortSignal): Promise<boolean> {
    const startedAt = this.#now();
    try {
      const lease = await this.#bounded(signal, (bounded) => this.#perform(step, bounded));
      this.#learn(lease);
      if (step.kind === "read") return false;
      this.#renewed(startedAt);
      this.#tellEndOfTrouble();
      return true;
    } catch (thrown) {
      this.#seen = "unknown";
      if (isOutdated(thrown)) return false;
      if (!signal.aborted) this.#tellTrouble(thrown);
      return true;
    }
  }

  async #perform(step: Call, signal: AbortSignal): Promise<Lease | undefined> {
    if (step.kind === "read") return this.#client.read(signal);
    this.#mayHold = true;
    const holder = { identity: this.#options.identity, leaseMs: this.#timings.leaseMs };
    const nowMs = this.#options.clock.now();
    return step.kind === "create"
      ? this.#client.create(heldSpec(undefined, holder, nowMs), signal)
      : this.#client.replace(step.lease, heldSpec(step.lease, holder, nowMs), signal);
  }

  #learn(lease: Lease | undefined): void {
    this.#sighting = lease === undefined ? undefined : sight(this.#sighting, lease, this.#now());
    this.#seen = this.#sighting ?? "absent";
    const leader = lease === undefined ? "" : holderOf(lease);
    if (leader === this.#leaderTold || leader === this.#options.identity) return;
    this.#leaderTold = leader;
    if (leader !== "") this.#logger.info({ leader }, "another leads");
  }

  /** A write that started then has succeeded. Leadership that ended before the answer came stays ended. */
  #renewed(startedAt: number): void {
    if (this.#renewedAt === undefined || this.isLeader) this.#renewedAt = startedAt;
  }

  /** Lets go of the lease if it has our name. What goes wrong costs the others a wait, no more. */
  async #release(): Promise<void> {
    this.#renewedAt = undefined;
    if (!this.#mayHold) return;
    try {
      await this.#bounded(undefined, (bounded) => this.#tryToRelease(bounded));
    } catch (thrown) {
      this.#logger.warn({}, `the lease is left to expire: ${errorMessage(thrown)}`);
    }
  }

  async #tryToRelease(signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#releaseOnce(signal);
        return;
      } catch (thrown) {
        this.#seen = "unknown";
        if (tries === RELEASE_TRIES || signal.aborted) throw thrown;
      }
    }
  }

  async #releaseOnce(signal: AbortSignal): Promise<void> {
    const seen = this.#seen === "unknown" ? await this.#client.read(signal) : this.#seen;
    if (seen === undefined || seen === "absent") return;
    const lease = "lease" in seen ? seen.lease : seen;
    if (holderOf(lease) !== this.#options.identity) return;
    await this.#client.replace(lease, releasedSpec(lease, this.#options.clock.now()), signal);
    this.#logger.info({}, "released the lease");
  }

  /** As client-go does, a request may take half of the deadline, for there to be time for another one. */
  async #bounded<T>(
    outer: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const half = Math.ceil(this.#timings.renewDeadlineMs / 2);
    const ms = this.#renewedAt === undefined ? half : Math.min(half, this.#leadershipLeftMs());
    const deadline = startDeadline(this.#options.clock, ms, outer);
    try {
      return await abortable(work(deadline.signal), deadline.signal);
    } catch (thrown) {
      if (!deadline.expired) throw thrown;
      throw new TransportError(`no answer within ${Math.round(ms)} ms`, { cause: thrown });
    } finally {
      deadline.end();
    }
  }

  async #settles(work: Promise<void>, ms: number): Promise<boolean> {
    const timer = new AbortController();
    const ended = work.then(
      () => true,
      () => true,
    );
    const timedOut = this.#options.clock.sleep(ms, timer.signal).then(() => false);
    const isSettled = await Promise.race([ended, timedOut]);
    timer.abort();
    return isSettled;
  }

  #tellTrouble(thrown: unknown): void {
    const message = `the lease cannot be read or written: ${errorMessage(thrown)}`;
    if (this.#trouble === undefined) this.#logger.warn({}, message);
    else this.#logger.debug({}, message);
    this.#trouble ??= thrown;
  }

  #tellEndOfTrouble(): void {
    if (this.#trouble !== undefined)
      this.#logger.info({}, "the lease can be read and written again");
    this.#trouble = undefined;
  }

  #leadershipLeftMs(): number {
    const renewedAt = this.#renewedAt;
    return renewedAt === undefined
      ? 0
      : Math.max(0, leadsUntil(renewedAt, this.#timings) - this.#now());
  }

  #forget(): void {
    this.#running = false;
    this.#renewedAt = undefined;
    this.#seen = "unknown";
    this.#sighting = undefined;
    this.#mayHold = false;
    this.#trouble = undefined;
    this.#leaderTold = "";
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }
}

/** Somebody else wrote in between: nothing is wrong, it only has to be read again. */
function isOutdated(thrown: unknown): boolean {
  return thrown instanceof ApiError && (thrown.isConflict() || thrown.isAlreadyExists());
}

import type { EdgeNode } from "../../api/v1alpha1/edgenode.ts";
import { backoffMs, type BackoffPolicy } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import { errorMessage } from "../../runtime/errors.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Random } from "../../runtime/random.ts";
import { Semaphore } from "../../runtime/semaphore.ts";
import type { IdentityPorts, IdentityRecorder, Revocations } from "./ports.ts";
import {
  isBehind,
  isRevoked,
  revokedAtOf,
  strangersAmong,
  unwantedOf,
  unwantedOfDeleted,
  withoutExpired,
  withPushed,
  withReissued,
  withRevoked,
  withStrangers,
  type RevocationMoment,
  type Unwanted,
} from "./revocations.ts";

/** Between two looks at who is connected. */
const INTERVAL_MS = 60_000;
const RETRY: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };

export interface RevokerOptions extends IdentityPorts {
  /** All EdgeNodes; the cache is whole. */
  readonly nodes: () => Iterable<EdgeNode>;
  /** The key that the node of this name speaks with. */
  readonly keyOfNode: (name: string) => string | undefined;
  /**
   * False for a controller of one namespace: of the others' nodes it does not know whether there are any, so it
   * throws nobody out for being unknown.
   */
  readonly knowsAllNodes: boolean;
  /** Asked before every write. */
  readonly mayAct: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly recorder?: Pick<IdentityRecorder, "revocationFailed"> | undefined;
  /** What was to be revoked is: EdgeNodes may let go of it. */
  readonly onRevoked: () => void;
}

/**
 * Sees to it that who is no node any more is not connected, and cannot come back with what it got as one.
 *
 * GUARANTEES
 * - Level-triggered: what has to be void follows from the EdgeNodes and from who is connected, each time anew. Only
 *   the deletion of an EdgeNode is an event; one that nobody saw shows when its node is connected.
 * - A revocation is on record before the broker has it, and stays there until the last JWT has expired.
 */
export class Revoker {
  readonly #options: RevokerOptions;
  readonly #oneAtATime = new Semaphore(1);
  /** Undefined until they were read. */
  #revocations: Revocations | undefined;
  /** Of EdgeNodes that are gone, until they are on record. */
  #deleted: readonly Unwanted[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(options: RevokerOptions) {
    this.#options = options;
  }

  /** An EdgeNode has changed: what follows from that is done now and not in a minute. */
  changed(): void {
    this.#wake.resolve();
  }

  deleted(node: EdgeNode): void {
    this.#deleted = [...this.#deleted, ...unwantedOfDeleted(node)];
    this.changed();
  }

  isRevoked(publicKey: string): boolean {
    return this.#revocations !== undefined && isRevoked(this.#revocations, publicKey);
  }

  /** Resolves when it is on record; the broker has it soon after. Rejects if it cannot be written down. */
  async revoke(unwanted: Unwanted): Promise<void> {
    await this.#oneAtATime.run(async () => {
      const known = await this.#known();
      await this.#save(withRevoked(known, [unwanted], this.#moment()));
    });
    this.changed();
  }

  /**
   * To be called before a key is given a JWT. Resolves to the Unix time, in seconds, after which that has to be
   * issued to be good; 0 if the key was not revoked.
   */
  reissue(publicKey: string): Promise<number> {
    return this.#oneAtATime.run(async () => {
      const known = await this.#known();
      await this.#save(withReissued(known, publicKey));
      return known.get(publicKey)?.revokedAt ?? 0;
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      const isDone = await this.#tryPass();
      failures = isDone ? 0 : failures + 1;
      const pause = new AbortController();
      const waitMs = isDone ? INTERVAL_MS : backoffMs(RETRY, failures - 1, random);
      const waited = clock.sleep(waitMs, AbortSignal.any([signal, pause.signal]));
      // While the broker is in trouble a change is no reason to hurry.
      await (isDone ? Promise.race([waited, this.#wake.promise]) : waited);
      pause.abort();
    }
  }

  async #tryPass(): Promise<boolean> {
    const { logger, recorder, onRevoked } = this.#options;
    try {
      await this.#oneAtATime.run(() => this.#record());
      onRevoked();
      await this.#oneAtATime.run(() => this.#bringToBroker());
      return true;
    } catch (thrown) {
      recorder?.revocationFailed();
      const problem = errorMessage(thrown);
      logger.warn({ err: thrown }, `what is revoked cannot be handed to the broker: ${problem}`);
      return false;
    }
  }

  async #record(): Promise<void> {
    const deleted = this.#deleted;
    const known = await this.#known();
    const unwanted = [...deleted, ...unwantedOf(this.#options.nodes())];
    const moment = this.#moment();
    // By whichever clock is behind: one that is wrong must not let anybody come back.
    const now = Math.min(moment.now, this.#options.clock.now());
    await this.#save(withoutExpired(withRevoked(known, unwanted, moment), now));
    this.#deleted = this.#deleted.slice(deleted.length);
  }

  async #bringToBroker(): Promise<void> {
    const { account, mayAct } = this.#options;
    const pushed = await account.pushed();
    const known = withPushed(await this.#known(), pushed.revokedAt, this.#moment());
    const all = withStrangers(known, await this.#strangers(), this.#moment());
    await this.#save(all);
    if (!mayAct() || (pushed.isOurs && !isBehind(pushed.revokedAt, all))) return;
    await account.push(revokedAtOf(all));
    this.#options.logger.info({ revocations: all.size }, "the broker has the account's JWT");
  }

  async #strangers(): Promise<readonly string[]> {
    const { account, knowsAllNodes, keyOfNode, logger } = this.#options;
    if (!knowsAllNodes) return [];
    const users = await account.connectedUsers();
    const strangers = strangersAmong(users, account.ownUsers, keyOfNode);
    if (strangers.length > 0) logger.warn({ strangers }, "connected, but no node: thrown out");
    return strangers;
  }

  async #known(): Promise<Revocations> {
    this.#revocations ??= await this.#options.revocations.load();
    return this.#revocations;
  }

  async #save(revocations: Revocations): Promise<void> {
    const { revocations: store, mayAct } = this.#options;
    if (revocations === this.#revocations) return;
    if (!mayAct()) throw new Error("another controller may lead now");
    try {
      await store.save(revocations);
      this.#revocations = revocations;
    } catch (thrown) {
      // It may be written all the same, or by somebody else: to be read anew.
      this.#revocations = undefined;
      throw thrown;
    }
  }

  #moment(): RevocationMoment {
    const { credentials, lifetimeMs } = this.#options;
    return { now: credentials.now(), lifetimeMs };
  }
}

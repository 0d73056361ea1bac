import type { EdgeNodeStatus } from "../../api/v1alpha1/edgenode.ts";
import type { Hello } from "../../protocol/hello.ts";
import { rollbackOf, withCounter, type LedgerCounters } from "./ledgers.ts";
import { NO_SESSIONS, withHello, type HelloVerdict, type Sessions } from "./sessions.ts";

/** What is known of a node's agent from its hellos, in this process. */
export interface NodeEntry {
  readonly namespace: string;
  readonly sessionID: string;
  readonly ledgerID: string;
  /** Absent if taken over from the EdgeNode's status when the controller started. */
  readonly hello?: Hello;
  /** The key of who said it; absent where nothing is signed. */
  readonly publicKey?: string | undefined;
  readonly counters: LedgerCounters;
  /** When it last said a hello that could be accepted, on the monotonic clock; -Infinity: never. */
  readonly lastSeen: number;
  /** It was given the whole grace period anew after a deaf time, and was not heard since. */
  readonly isSpared?: boolean;
  /** The last error of the agent itself, and when it came. */
  readonly error?: { readonly text: string; readonly at: number };
  /** Set when the broker said that nobody listens, until the next hello. */
  readonly unreachable: boolean;
  /** When the broker last said so, in this session of the agent. */
  readonly unreachableAt?: number;
}

/** Nobody listened, it said hello, and nobody listens: to take it for away each time would never end. */
const UNREACHABLE_AGAIN_MS = 600_000;

const ERROR_INTERVAL_MS = 60_000;
/** An agent that has reported no error for this long is well again. */
const DEGRADED_FOR_MS = 600_000;

/**
 * Who is there. Heartbeats live here and never reach etcd; only coming and going does. All of it can be
 * lost: the next hellos bring it back.
 */
export class NodeRegistry {
  readonly #entries = new Map<string, NodeEntry>();
  readonly #sessions = new Map<string, Sessions>();
  /** When EdgeNodes were deleted whose nodes had been heard. */
  readonly #forgottenAt = new Map<string, number>();
  readonly #gracePeriodMs: number;
  /** Since when this process could hear hellos without a break. */
  #listeningSince: number | undefined;
  #deafSince: number | undefined;

  constructor(options: { readonly gracePeriodMs: number }) {
    this.#gracePeriodMs = options.gracePeriodMs;
  }

  get(node: string): NodeEntry | undefined {
    return this.#entries.get(node);
  }

  /** Whether something follows from a hello: to be asked once for each, and `heard` to be told if so. */
  judge(node: string, hello: Hello & { readonly signedAt: string }, now: number): HelloVerdict {
    const signedAt = Date.parse(hello.signedAt);
    const moment = { now, gracePeriodMs: this.#gracePeriodMs };
    const before = this.#sessions.get(node) ?? NO_SESSIONS;
    const { sessions, verdict } = withHello(before, { ...hello, signedAt }, moment);
    this.#sessions.set(node, sessions);
    return verdict;
  }

  /** Whether two agents speak as this node. */
  isInConflict(node: string): boolean {
    return this.#sessions.get(node)?.isConflict === true;
  }

  /** `status` is what its EdgeNode has, `publicKey` the key that it names. */
  heard(
    node: string,
    hello: Hello,
    now: number,
    { status, publicKey }: { status?: EdgeNodeStatus; publicKey?: string | undefined } = {},
  ): void {
    const { namespace, sessionID, ledgerID } = hello;
    const before = this.#entries.get(node);
    const { error, unreachableAt } = before?.sessionID === sessionID ? before : {};
    const counters = withCounter(before?.counters ?? new Map(), hello);
    const isRolledBack = rollbackOf({ hello, ledgerID, counters }, status) !== undefined;
    this.#entries.set(node, {
      namespace,
      sessionID,
      ledgerID,
      hello,
      publicKey,
      counters,
      lastSeen: isRolledBack ? (before?.lastSeen ?? -Infinity) : now,
      ...(error === undefined ? {} : { error }),
      ...(unreachableAt === undefined ? {} : { unreachableAt }),
      unreachable: false,
    });
  }

  /** Takes a node for present that was so when the controller started, until it is silent for too long. */
  assume(
    node: string,
    entry: Pick<NodeEntry, "namespace" | "sessionID" | "ledgerID">,
    now: number,
  ): void {
    if (!this.#entries.has(node)) {
      const counters = new Map<string, number>();
      this.#entries.set(node, { ...entry, counters, lastSeen: now, unreachable: false });
    }
  }

  /** Its EdgeNode is gone, which is no silence of the node's: that counts from here. */
  forget(node: string, now: number): void {
    this.#sessions.delete(node);
    if (!this.#entries.delete(node)) return;
    for (const [other, at] of this.#forgottenAt) {
      if (now - at >= this.#gracePeriodMs) this.#forgottenAt.delete(other);
    }
    this.#forgottenAt.set(node, now);
  }

  /**
   * Nobody listens there now, whatever its last hello promised. If it goes on to say hello and nobody listens
   * still, it is there, and cannot be told anything.
   */
  markUnreachable(node: string, now: number): void {
    const entry = this.#entries.get(node);
    // Until it says hello, another of its commands tells the same.
    if (entry === undefined || entry.unreachable) return;
    const { unreachableAt } = entry;
    const isAgain = unreachableAt !== undefined && now - unreachableAt < UNREACHABLE_AGAIN_MS;
    this.#entries.set(node, { ...entry, unreachable: !isAgain, unreachableAt: now });
  }

  /** False if there was another error right before: what is written of errors is bounded. */
  noteError(node: string, text: string, now: number): boolean {
    const entry = this.#entries.get(node);
    if (entry === undefined) return false;
    if (entry.error !== undefined && now - entry.error.at < ERROR_INTERVAL_MS) return false;
    this.#entries.set(node, { ...entry, error: { text, at: now } });
    return true;
  }

  /** The last error of this session of the agent, while it is news. */
  recentError(node: string, now: number): { text: string; remainingMs: number } | undefined {
    const error = this.#entries.get(node)?.error;
    if (error === undefined) return undefined;
    const remainingMs = error.at + DEGRADED_FOR_MS - now;
    return remainingMs > 0 ? { text: error.text, remainingMs } : undefined;
  }

  /** Hellos are heard from here on, unless there is no connection to the broker. */
  listen(now: number): void {
    this.#listeningSince = now;
  }

  /** There is no connection to the broker: from here on silence says nothing about the nodes. */
  goneDeaf(now: number): void {
    this.#deafSince ??= now;
  }

  /**
   * It can hear again: all that were there when it went deaf have the whole grace period again, once. Who is silent
   * when it happens again has what was left: a broker that drops the connection now and then keeps nobody present.
   */
  canHear(now: number): void {
    for (const [node, entry] of this.#entries) {
      const remainingMs = this.remainingMs(node, now);
      if (remainingMs === 0) continue;
      const sparedMs = entry.isSpared === true ? remainingMs : this.#gracePeriodMs;
      const lastSeen = now + sparedMs - this.#gracePeriodMs;
      this.#entries.set(node, { ...entry, lastSeen, isSpared: true });
    }
    this.#deafSince = undefined;
    this.#listeningSince = now;
  }

  get isDeaf(): boolean {
    return this.#deafSince !== undefined;
  }

  /** Milliseconds until the node counts as away if it stays silent; 0 when it does already. */
  remainingMs(node: string, now: number): number {
    const entry = this.#entries.get(node);
    if (entry === undefined || entry.unreachable) return 0;
    return Math.max(0, entry.lastSeen + this.#gracePeriodMs - (this.#deafSince ?? now));
  }

  /**
   * How long this process, which could hear all the while, has heard nothing of a node: at most since it began
   * to listen, or could hear again. 0 while it cannot.
   */
  silentMs(
    { namespace, name }: { readonly namespace: string; readonly name: string },
    now: number,
  ): number {
    if (this.isDeaf || this.#listeningSince === undefined) return 0;
    const entry = this.#entries.get(name);
    const forgottenAt = this.#forgottenAt.get(name) ?? -Infinity;
    const lastSeen = entry?.namespace === namespace ? entry.lastSeen : forgottenAt;
    return Math.max(0, now - Math.max(lastSeen, this.#listeningSince));
  }
}

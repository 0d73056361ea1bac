import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import type { Random } from "../runtime/random.ts";
import { ApiError } from "./api-error.ts";
import { WatchIdleError } from "./transport-error.ts";

/** What a reflector does next. `streamList` lists and then goes on watching in one request. */
export type Attempt =
  | { readonly kind: "streamList" }
  | { readonly kind: "pagedList" }
  | { readonly kind: "watch"; readonly resourceVersion: string };

/**
 * How an attempt ended.
 * `listed` a paged list is complete; `closed` the server ended the watch in peace; `idle` the watchdog bit;
 * `gone` the server no longer knows the resourceVersion; `rejected` it does not take such a request;
 * `throttled` it asks to wait; `failed` anything else.
 */
export type Ending =
  | { readonly kind: "listed" | "closed" | "idle" | "gone" | "rejected" | "failed" }
  | { readonly kind: "throttled"; readonly retryAfterMs: number };

/** What is known at the end of an attempt. */
export interface Ended {
  readonly ending: Ending;
  readonly lastedMs: number;
  /** How many events came, bookmarks counted. */
  readonly received: number;
  /** From where a watch can resume; undefined while no list has been completed. */
  readonly resourceVersion: string | undefined;
}

export interface Plan {
  readonly attempt: Attempt;
  readonly delayMs: number;
  /** Consecutive attempts that went wrong; the back-off grows with it. */
  readonly failures: number;
  /** False once the server has turned down a streaming list. */
  readonly streaming: boolean;
}

/** client-go's values for its reflectors, but for the form of the jitter. */
const BACKOFF: BackoffPolicy = { initialMs: 800, maxMs: 30_000 };
/**
 * An attempt that lasted this long proves the server healthy, and so does a shorter one that had something to
 * tell: the back-off starts anew. Otherwise outages that are minutes apart would add up to a long one.
 */
const HEALTHY_MS = 120_000;
const HEALTHY_WITH_EVENTS_MS = 10_000;
/** A watch that ends sooner without an event is no clean end, whatever it says (client-go: 1 s). */
const SHORTEST_WATCH_MS = 1_000;
const DOUBT_STREAMING_AFTER = 3;

export const FIRST_PLAN: Plan = {
  attempt: { kind: "streamList" },
  delayMs: 0,
  failures: 0,
  streaming: true,
};

/** What to do after an attempt. Pure: all that it decides from is in its arguments. */
export function planAfter(previous: Plan, ended: Ended, random: Random): Plan {
  const { ending } = ended;
  const turnedDown = ending.kind === "rejected" && previous.attempt.kind === "streamList";
  const streaming = previous.streaming && !turnedDown;
  const failures = wasHealthy(ended) ? 0 : previous.failures;
  const attempt = nextAttempt(ended, streaming ? listKind(failures) : "pagedList");
  if (turnedDown || isCleanEnd(ended)) return { attempt, delayMs: 0, failures, streaming };
  const next = { attempt, failures: failures + 1, streaming };
  // Having fallen behind once is followed by a new list at once, but never twice in a row.
  if (ending.kind === "gone" && failures === 0) return { ...next, delayMs: 0 };
  const askedMs = ending.kind === "throttled" ? ending.retryAfterMs : 0;
  return { ...next, delayMs: Math.max(askedMs, backoffMs(BACKOFF, failures, random)) };
}

function wasHealthy({ lastedMs, received, resourceVersion }: Ended): boolean {
  if (lastedMs >= HEALTHY_MS) return true;
  return lastedMs >= HEALTHY_WITH_EVENTS_MS && received > 0 && resourceVersion !== undefined;
}

function isCleanEnd(ended: Ended): boolean {
  if (ended.ending.kind === "listed") return true;
  if (ended.ending.kind !== "closed" || ended.resourceVersion === undefined) return false;
  return ended.received > 0 || ended.lastedMs >= SHORTEST_WATCH_MS;
}

/**
 * A server may accept a streaming list and yet never complete it (a storage that reports no progress),
 * so after some failures in a row every other list is a plain one.
 */
function listKind(failures: number): "streamList" | "pagedList" {
  return failures < DOUBT_STREAMING_AFTER || failures % 2 === 0 ? "streamList" : "pagedList";
}

function nextAttempt(ended: Ended, kind: "streamList" | "pagedList"): Attempt {
  const { ending, received, resourceVersion } = ended;
  const list: Attempt = { kind };
  if (resourceVersion === undefined || ending.kind === "gone" || ending.kind === "rejected") {
    return list;
  }
  // A watch that never said a word although bookmarks are due every minute may be waiting for a
  // resourceVersion that lies in the future, as after a restored etcd. Only a list gets out of that.
  if (ending.kind === "idle" && received === 0) return list;
  return { kind: "watch", resourceVersion };
}

/** Sorts what an attempt threw. */
export function endingOf(thrown: unknown): Ending {
  if (thrown instanceof WatchIdleError) return { kind: "idle" };
  if (!(thrown instanceof ApiError)) return { kind: "failed" };
  if (thrown.isGone()) return { kind: "gone" };
  if (thrown.status === 400 || thrown.status === 422) return { kind: "rejected" };
  if (thrown.retryAfterMs !== undefined || thrown.isTooManyRequests()) {
    return { kind: "throttled", retryAfterMs: thrown.retryAfterMs ?? 0 };
  }
  return { kind: "failed" };
}

import { holderOf, isSameRecord, type Lease } from "./lease.ts";

/** Milliseconds, but for `jitter`. */
export interface LeaseTimings {
  /** For how long a lease that does not change is left alone by others. */
  readonly leaseMs: number;
  /** Who has not renewed for this long does not lead any more: `leaseMs` less a margin of safety. */
  readonly renewDeadlineMs: number;
  /** Between two renewals, and between two looks of a standby. */
  readonly retryMs: number;
  /**
   * A standby waits `retryMs` to `retryMs * jitter`. (client-go's factor of the same name adds itself to
   * one: up to 4.4 s with its defaults, too slow for a take-over within 3 s.)
   */
  readonly jitter: number;
}

/** client-go's values. */
export const DEFAULT_LEASE_TIMINGS: LeaseTimings = {
  leaseMs: 15_000,
  renewDeadlineMs: 10_000,
  retryMs: 2_000,
  jitter: 1.2,
};

/** Throws a RangeError unless every renewal has a second chance and every loss a margin (client-go's rules). */
export function checkLeaseTimings(timings: LeaseTimings): void {
  const { leaseMs, renewDeadlineMs, retryMs, jitter } = timings;
  const rules: readonly (readonly [boolean, string])[] = [
    [retryMs > 0, "retryMs must be above 0"],
    [jitter >= 1, "jitter must be 1 or more"],
    [renewDeadlineMs > retryMs * jitter, "renewDeadlineMs must be above retryMs * jitter"],
    [leaseMs > renewDeadlineMs, "leaseMs must be above renewDeadlineMs"],
    [leaseMs >= 1_000, "leaseMs must be 1000 or more: a Lease counts whole seconds"],
  ];
  for (const [holds, message] of rules) if (!holds) throw new RangeError(message);
}

/** A lease as it was last read, and since when (monotonic) its record has been known to be this one. */
export interface Sighting {
  readonly lease: Lease;
  readonly since: number;
}

/** The sighting that follows from a lease read now. One that was never seen before is observed from now on. */
export function sight(previous: Sighting | undefined, lease: Lease, now: number): Sighting {
  const isKnown = previous !== undefined && isSameRecord(previous.lease, lease);
  return { lease, since: isKnown ? previous.since : now };
}

export interface Standing {
  /** Unique to this process. */
  readonly identity: string;
  /** For one that leads: when (monotonic) its last successful renewal **started**. */
  readonly renewedAt: number | undefined;
  /** `unknown` whenever the lease may have been written to since, by anybody, this elector included. */
  readonly seen: "unknown" | "absent" | Sighting;
}

/** A step that asks the API server. */
export type Call =
  | { readonly kind: "read" }
  | { readonly kind: "create" }
  /** Renew or take: write this elector into exactly this version. */
  | { readonly kind: "write"; readonly lease: Lease };

export type Step =
  | Call
  /** Somebody else leads. */
  | { readonly kind: "wait" }
  /** This elector led and must not any more. */
  | { readonly kind: "stepDown"; readonly why: string };

/**
 * When (monotonic) a leadership ends that was last renewed by a write started at `renewedAt`. Nobody else
 * sees that write before it starts, and then waits `leaseMs`: leadership ends `leaseMs - renewDeadlineMs`
 * before anybody else's can begin. That margin is for clocks that go at different speeds.
 */
export function leadsUntil(renewedAt: number, { renewDeadlineMs }: LeaseTimings): number {
  return renewedAt + renewDeadlineMs;
}

/** What to do now (monotonic, of this machine; times in the lease, of other machines, play no part). */
export function nextStep(standing: Standing, now: number, timings: LeaseTimings): Step {
  const { renewedAt, seen } = standing;
  if (renewedAt !== undefined && now >= leadsUntil(renewedAt, timings)) {
    return { kind: "stepDown", why: `not renewed within ${timings.renewDeadlineMs} ms` };
  }
  if (seen === "unknown") return { kind: "read" };
  if (seen === "absent") return { kind: "create" };
  const { lease } = seen;
  // Also how an elector finds a write of its own whose answer was lost.
  if (holderOf(lease) === standing.identity) return { kind: "write", lease };
  if (renewedAt !== undefined) {
    const holder = holderOf(lease);
    return { kind: "stepDown", why: holder === "" ? "the lease was cleared" : `${holder} leads` };
  }
  return isFree(seen, now, timings) ? { kind: "write", lease } : { kind: "wait" };
}

/** Whether nobody holds it, or its holder has let the duration pass that it promised itself. */
function isFree({ lease, since }: Sighting, now: number, timings: LeaseTimings): boolean {
  if (holderOf(lease) === "") return true;
  const seconds = lease.spec?.leaseDurationSeconds;
  return now >= since + (seconds === undefined ? timings.leaseMs : seconds * 1_000);
}

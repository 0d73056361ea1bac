import { isDeepStrictEqual } from "node:util";
import type { KubernetesObject } from "../api/meta.ts";
import { microTime } from "./event-object.ts";
import type { ResourceType } from "./resource-path.ts";

export const LEASES: ResourceType = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
};

/** What a holder writes. The times are of its wall clock, for people; nothing is decided by them. */
export interface LeaseSpec {
  /** Empty or missing: nobody holds it. */
  readonly holderIdentity?: string;
  /** For how long others leave a lease alone that does not change; whole seconds, at least 1. */
  readonly leaseDurationSeconds?: number;
  /** MicroTime. */
  readonly acquireTime?: string;
  /** MicroTime. */
  readonly renewTime?: string;
  /** How often the holder changed. */
  readonly leaseTransitions?: number;
}

export interface Lease extends KubernetesObject {
  readonly spec?: LeaseSpec;
}

export interface LeaseHolder {
  readonly identity: string;
  readonly leaseMs: number;
}

/** The identity of the holder; empty if there is none. */
export function holderOf(lease: Lease): string {
  return lease.spec?.holderIdentity ?? "";
}

/**
 * Whether no holder wrote to it in between. The resourceVersion says nothing of that: labels may change,
 * and a lease that somebody labels now and then must expire all the same.
 */
export function isSameRecord(left: Lease, right: Lease): boolean {
  return left.metadata.uid === right.metadata.uid && isDeepStrictEqual(left.spec, right.spec);
}

/**
 * What `holder` writes at `nowMs` (wall clock) to create, take or renew. As client-go counts: a lease that
 * was its own keeps its time of acquisition, any other, a released one too, changes hands.
 */
export function heldSpec(
  previous: Lease | undefined,
  { identity, leaseMs }: LeaseHolder,
  nowMs: number,
): LeaseSpec {
  const now = microTime(nowMs);
  const before = previous?.spec;
  const isRenewal = previous !== undefined && holderOf(previous) === identity;
  const transitions = before?.leaseTransitions ?? 0;
  return {
    ...before,
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(leaseMs / 1_000),
    acquireTime: isRenewal ? (before?.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: previous === undefined || isRenewal ? transitions : transitions + 1,
  };
}

/** What a holder writes to let go, as client-go does: no holder, the shortest duration there is. */
export function releasedSpec({ spec }: Lease, nowMs: number): LeaseSpec {
  const now = microTime(nowMs);
  return {
    ...spec,
    holderIdentity: "",
    leaseDurationSeconds: 1,
    acquireTime: now,
    renewTime: now,
  };
}

import { expect, test } from "vitest";
import {
  checkLeaseTimings,
  DEFAULT_LEASE_TIMINGS,
  nextStep,
  sight,
  type LeaseTimings,
  type Standing,
} from "../../../src/kubernetes/lease-decision.ts";
import type { Lease, LeaseSpec } from "../../../src/kubernetes/lease.ts";

function lease(spec: LeaseSpec, resourceVersion = "1"): Lease {
  const metadata = {
    namespace: "steward",
    name: "controller",
    uid: "uid-1",
    resourceVersion,
    generation: 1,
    creationTimestamp: "2026-01-01T00:00:00Z",
  };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec };
}

const mine = lease({ holderIdentity: "me", leaseDurationSeconds: 15 });
const theirs = lease({ holderIdentity: "other", leaseDurationSeconds: 15 });
const released = lease({ holderIdentity: "", leaseDurationSeconds: 1 });
const seen = (what: Lease, since = 0): Standing["seen"] => ({ lease: what, since });
const read = { kind: "read" };
const wait = { kind: "wait" };
const stepDown = (why: string): object => ({ kind: "stepDown", why });
const write = (what: Lease): object => ({ kind: "write", lease: what });
const late = "not renewed within 10000 ms";

interface Row {
  readonly name: string;
  /** Since when a leader's last renewal; a candidate's row has none. */
  readonly renewedAt?: number;
  readonly seen: Standing["seen"];
  readonly now: number;
  readonly want: object;
}

const candidate: readonly Row[] = [
  { name: "knows nothing: looks", seen: "unknown", now: 0, want: read },
  { name: "no lease: creates it", seen: "absent", now: 0, want: { kind: "create" } },
  { name: "released: takes it at once", seen: seen(released), now: 0, want: write(released) },
  { name: "without a holder: takes it", seen: seen(lease({})), now: 0, want: write(lease({})) },
  { name: "its own name: believes it", seen: seen(mine), now: 0, want: write(mine) },
  { name: "held: waits", seen: seen(theirs), now: 0, want: wait },
  { name: "unchanged for less than its duration", seen: seen(theirs, 5), now: 15_004, want: wait },
  { name: "unchanged for its duration", seen: seen(theirs, 5), now: 15_005, want: write(theirs) },
  {
    name: "times of another machine, long past: waits all the same",
    seen: seen(lease({ ...theirs.spec, renewTime: "1999-01-01T00:00:00.000000Z" })),
    now: 14_999,
    want: wait,
  },
  {
    name: "the duration is what its holder promised, longer than ours",
    seen: seen(lease({ holderIdentity: "other", leaseDurationSeconds: 60 })),
    now: 59_999,
    want: wait,
  },
  {
    name: "no duration in it: ours",
    seen: seen(lease({ holderIdentity: "other" })),
    now: 14_999,
    want: wait,
  },
];

const leader: readonly Row[] = [
  { name: "renews", renewedAt: 0, seen: seen(mine), now: 2_000, want: write(mine) },
  { name: "just in time", renewedAt: 0, seen: seen(mine), now: 9_999, want: write(mine) },
  { name: "too late", renewedAt: 0, seen: seen(mine), now: 10_000, want: stepDown(late) },
  { name: "woken hours later", renewedAt: 0, seen: "unknown", now: 9e6, want: stepDown(late) },
  { name: "after a failed write: looks", renewedAt: 0, seen: "unknown", now: 2_000, want: read },
  { name: "deleted", renewedAt: 0, seen: "absent", now: 2_000, want: { kind: "create" } },
  { name: "taken", renewedAt: 0, seen: seen(theirs), now: 1, want: stepDown("other leads") },
  {
    name: "taken, and expired since",
    renewedAt: 0,
    seen: seen(lease({ holderIdentity: "other", leaseDurationSeconds: 1 })),
    now: 9_000,
    want: stepDown("other leads"),
  },
  {
    name: "cleared by somebody",
    renewedAt: 0,
    seen: seen(released),
    now: 1,
    want: stepDown("the lease was cleared"),
  },
];

function stepOf({ renewedAt, seen: known, now }: Row): object {
  const standing = { identity: "me", renewedAt, seen: known };
  return nextStep(standing, now, DEFAULT_LEASE_TIMINGS);
}

test.each(candidate)("a candidate: $name", (row) => {
  expect(stepOf(row)).toEqual(row.want);
});

test.each(leader)("a leader: $name", (row) => {
  expect(stepOf(row)).toEqual(row.want);
});

const renewed = lease({ ...theirs.spec, renewTime: "2026-01-01T00:00:02.000000Z" }, "2");
const sightings = [
  { name: "a lease never seen is observed from now on", before: undefined, lease: theirs, want: 9 },
  { name: "an unchanged one is as old as it was", before: theirs, lease: theirs, want: 4 },
  {
    name: "one that was only labelled is as old as it was",
    before: theirs,
    lease: lease({ ...theirs.spec }, "3"),
    want: 4,
  },
  { name: "a renewed one is new", before: theirs, lease: renewed, want: 9 },
];

test.each(sightings)("$name", ({ before, lease: found, want }) => {
  const previous = before === undefined ? undefined : { lease: before, since: 4 };
  expect(sight(previous, found, 9)).toEqual({ lease: found, since: want });
});

const faults: readonly { readonly given: Partial<LeaseTimings>; readonly names: RegExp }[] = [
  { given: { retryMs: 0 }, names: /^retryMs/ },
  { given: { jitter: 0.5 }, names: /^jitter/ },
  { given: { retryMs: 9_000 }, names: /^renewDeadlineMs must be above retryMs/ },
  { given: { leaseMs: 10_000 }, names: /^leaseMs must be above renewDeadlineMs/ },
  { given: { leaseMs: 999, renewDeadlineMs: 500, retryMs: 100 }, names: /whole seconds/ },
  { given: { renewDeadlineMs: Number.NaN }, names: /^renewDeadlineMs/ },
];

test.each(faults)("timings with $given are refused", ({ given, names }) => {
  const check = (): void => checkLeaseTimings({ ...DEFAULT_LEASE_TIMINGS, ...given });
  expect(check).toThrow(RangeError);
  expect(check).toThrow(names);
});

test("the timings of client-go are taken", () => {
  expect(() => checkLeaseTimings(DEFAULT_LEASE_TIMINGS)).not.toThrow();
});

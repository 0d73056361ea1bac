import { expect, test } from "vitest";
import {
  heldSpec,
  holderOf,
  isSameRecord,
  releasedSpec,
  type Lease,
  type LeaseSpec,
} from "../../../src/kubernetes/lease.ts";

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0, 5);
const NOW_TEXT = "2026-01-01T12:00:00.005000Z";
const EARLIER = "2026-01-01T11:00:00.000000Z";
const holder = { identity: "a", leaseMs: 15_000 };

function lease(spec: LeaseSpec, metadata: Partial<Lease["metadata"]> = {}): Lease {
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      namespace: "steward",
      name: "controller",
      uid: "uid-1",
      resourceVersion: "7",
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...metadata,
    },
    spec,
  };
}

const writes = [
  {
    name: "a new lease has had no other holder",
    previous: undefined,
    want: { acquireTime: NOW_TEXT, leaseTransitions: 0 },
  },
  {
    name: "a renewal keeps when it was acquired",
    previous: {
      holderIdentity: "a",
      acquireTime: EARLIER,
      renewTime: EARLIER,
      leaseTransitions: 3,
    },
    want: { acquireTime: EARLIER, leaseTransitions: 3 },
  },
  {
    name: "a take-over counts",
    previous: {
      holderIdentity: "b",
      acquireTime: EARLIER,
      renewTime: EARLIER,
      leaseTransitions: 3,
    },
    want: { acquireTime: NOW_TEXT, leaseTransitions: 4 },
  },
  {
    name: "taking a released lease counts",
    previous: { holderIdentity: "", acquireTime: EARLIER, leaseTransitions: 3 },
    want: { acquireTime: NOW_TEXT, leaseTransitions: 4 },
  },
  {
    name: "a lease that kubectl made has no fields at all",
    previous: {},
    want: { acquireTime: NOW_TEXT, leaseTransitions: 1 },
  },
] as const;

test.each(writes)("what a holder writes: $name", ({ previous, want }) => {
  const before = previous === undefined ? undefined : lease(previous);
  expect(heldSpec(before, holder, NOW)).toEqual({
    holderIdentity: "a",
    leaseDurationSeconds: 15,
    renewTime: NOW_TEXT,
    ...want,
  });
});

test("a duration that is no number of seconds is promised rounded up", () => {
  expect(heldSpec(undefined, { identity: "a", leaseMs: 1_001 }, NOW).leaseDurationSeconds).toBe(2);
});

test("fields of newer versions of the API are kept", () => {
  const previous = lease(Object.assign({ holderIdentity: "a" }, { strategy: "OldestEmulation" }));
  expect(heldSpec(previous, holder, NOW)).toMatchObject({ strategy: "OldestEmulation" });
});

test("a released lease has no holder, the shortest duration, and its history", () => {
  const held = lease(heldSpec(lease({ holderIdentity: "b", leaseTransitions: 3 }), holder, 0));
  expect(releasedSpec(held, NOW)).toEqual({
    holderIdentity: "",
    leaseDurationSeconds: 1,
    acquireTime: NOW_TEXT,
    renewTime: NOW_TEXT,
    leaseTransitions: 4,
  });
  expect(holderOf(lease(releasedSpec(held, NOW)))).toBe("");
});

const record = { holderIdentity: "a", renewTime: EARLIER };
const comparisons = [
  { name: "itself", other: lease(record), want: true },
  {
    name: "labelled since",
    other: lease(record, { resourceVersion: "8", labels: { team: "x" } }),
    want: true,
  },
  { name: "renewed since", other: lease({ ...record, renewTime: NOW_TEXT }), want: false },
  { name: "re-created with the same content", other: lease(record, { uid: "uid-2" }), want: false },
];

test.each(comparisons)("the same record, $name: $want", ({ other, want }) => {
  expect(isSameRecord(lease(record), other)).toBe(want);
});

import { describe, expect, test } from "vitest";

import type { EdgeNode } from "../../../../src/api/v1alpha1/edgenode.ts";
import type { Revocations } from "../../../../src/controller/identity/ports.ts";
import {
  isBehind,
  isRevoked,
  strangersAmong,
  unwantedOf,
  unwantedOfDeleted,
  withoutExpired,
  withPushed,
  withReissued,
  withRevoked,
  withStrangers,
} from "../../../../src/controller/identity/revocations.ts";
import { edgeNode } from "../../../support/builders.ts";

const DAY_MS = 86_400_000;
const NOW = 1_800_000_000_000;
const NOW_S = NOW / 1_000;
const MOMENT = { now: NOW, lifetimeMs: 30 * DAY_MS };
const NONE: Revocations = new Map();

const expire = "2027-02-01T00:00:00.000Z";
const expiresAt = Date.parse(expire);
const issued = (publicKey: string): NonNullable<EdgeNode["status"]["identity"]> => ({
  publicKey,
  credentialsExpire: expire,
});

describe("what an EdgeNode wants void", () => {
  test.each([
    [
      "nothing while its key is the one that got credentials",
      edgeNode({ publicKey: "A" }, issued("A")),
      [],
    ],
    ["nothing that never got any", edgeNode({ publicKey: "A" }), []],
    ["the key before", edgeNode({ publicKey: "B" }, issued("A")), ["A"]],
    ["the key that was taken out", edgeNode({}, issued("A")), ["A"]],
    [
      "its key while it is disabled",
      edgeNode({ publicKey: "A", disabled: true }, issued("A")),
      ["A"],
    ],
  ])("%s", (_, node, expected) => {
    expect(unwantedOf([node])).toEqual(expected.map((publicKey) => ({ publicKey, expiresAt })));
  });

  test("when it is gone: the key that got credentials, and none that somebody has only written there", () => {
    expect(unwantedOfDeleted(edgeNode({ publicKey: "A" }, issued("A")))).toEqual([
      { publicKey: "A", expiresAt },
    ]);
    expect(unwantedOfDeleted(edgeNode({ publicKey: "B" }, issued("A")))).toEqual([
      { publicKey: "A", expiresAt },
    ]);
    expect(unwantedOfDeleted(edgeNode({ publicKey: "B" }))).toEqual([]);
  });
});

describe("revoking", () => {
  test("lasts until the last JWT has expired, or as long as one may live", () => {
    const unwanted = [
      { publicKey: "A", expiresAt },
      { publicKey: "B", expiresAt: undefined },
    ];
    expect(withRevoked(NONE, unwanted, MOMENT)).toEqual(
      new Map([
        ["A", { revokedAt: NOW_S, until: expiresAt }],
        ["B", { revokedAt: NOW_S, until: NOW + MOMENT.lifetimeMs }],
      ]),
    );
  });

  test("is done once, and the same map tells that nothing is to be written", () => {
    const unwanted = [{ publicKey: "A", expiresAt }];
    const revoked = withRevoked(NONE, unwanted, MOMENT);
    const later = { ...MOMENT, now: NOW + 5_000 };
    expect(withRevoked(revoked, unwanted, later)).toBe(revoked);
    expect(withRevoked(NONE, [], MOMENT)).toBe(NONE);
  });

  test("is done again when the key was given a new JWT since", () => {
    const unwanted = [{ publicKey: "A", expiresAt }];
    const reissued = withReissued(withRevoked(NONE, unwanted, MOMENT), "A");
    expect(isRevoked(reissued, "A")).toBe(false);
    expect(reissued.get("A")).toMatchObject({ revokedAt: NOW_S });
    expect(withReissued(reissued, "A")).toBe(reissued);
    const again = withRevoked(reissued, unwanted, { ...MOMENT, now: NOW + 5_000 });
    expect(again.get("A")).toEqual({ revokedAt: NOW_S + 5, until: expiresAt });
  });

  test("is forgotten some time after the last JWT has expired", () => {
    const revoked = withRevoked(NONE, [{ publicKey: "A", expiresAt }], MOMENT);
    expect(withoutExpired(revoked, expiresAt)).toBe(revoked);
    expect(withoutExpired(revoked, expiresAt + DAY_MS)).toEqual(NONE);
  });
});

const keyOfNode = (name: string): string | undefined => ({ ship1: "A" })[name];

describe("who is connected", () => {
  test.each([
    ["a node with its key", { publicKey: "A", name: "ship1" }, false],
    ["the key of another node", { publicKey: "A", name: "ship2" }, true],
    ["a key that its node had", { publicKey: "B", name: "ship1" }, true],
    ["a node that is not there", { publicKey: "C", name: "ship3" }, true],
    ["nobody in particular", { publicKey: "C", name: undefined }, true],
    ["the controller", { publicKey: "me", name: "steward-controller" }, false],
  ])("%s", (_, user, isStranger) => {
    const strangers = strangersAmong([user, user], ["me"], keyOfNode);
    expect(strangers).toEqual(isStranger ? [user.publicKey] : []);
  });

  test("and may not be is revoked, anew if it came back, not while that is under way", () => {
    const revoked = withStrangers(NONE, ["A"], MOMENT);
    expect(revoked.get("A")).toEqual({ revokedAt: NOW_S, until: NOW + MOMENT.lifetimeMs });
    expect(withStrangers(revoked, ["A"], { ...MOMENT, now: NOW + 5_000 })).toBe(revoked);
    const again = withStrangers(revoked, ["A"], { ...MOMENT, now: NOW + 60_000 });
    expect(again.get("A")).toMatchObject({ revokedAt: NOW_S + 60 });
    expect(withStrangers(NONE, [], MOMENT)).toBe(NONE);
  });
});

describe("what the broker has", () => {
  const own = withRevoked(NONE, [{ publicKey: "A", expiresAt }], MOMENT);

  test("is behind without one of ours, or with an earlier one", () => {
    expect(isBehind({}, own)).toBe(true);
    expect(isBehind({ A: NOW_S - 1 }, own)).toBe(true);
    expect(isBehind({ A: NOW_S, B: 1 }, own)).toBe(false);
  });

  test("is kept if the record does not know of it, until it cannot matter", () => {
    const kept = withPushed(own, { A: NOW_S, B: NOW_S - 60, C: 1 }, MOMENT);
    expect([...kept.keys()]).toEqual(["A", "B"]);
    expect(withPushed(kept, { A: NOW_S, B: NOW_S - 60 }, MOMENT)).toBe(kept);
  });
});

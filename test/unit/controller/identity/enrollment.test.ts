import { describe, expect, test } from "vitest";

import type { EdgeNodeSpec } from "../../../../src/api/v1alpha1/edgenode.ts";
import { decideEnrollment } from "../../../../src/controller/identity/enrollment.ts";
import { CONTROLLER_KEY, NODE_KEY, TOKEN_KEY } from "../../../support/test-keys.ts";
import { edgeNode } from "../../../support/builders.ts";

const NOW = Date.parse("2026-11-24T06:00:00.000Z");
const KEY = NODE_KEY.publicKey;
const OTHER_KEY = CONTROLLER_KEY.publicKey;
const TOKEN = TOKEN_KEY.publicKey;

const good = { publicKey: TOKEN, expiresAt: "2026-11-24T06:00:00Z" };
const expired = { publicKey: TOKEN, expiresAt: "2026-11-24T05:59:59Z" };
const otherToken = { publicKey: OTHER_KEY, expiresAt: "2026-11-25T00:00:00Z" };

interface Case {
  readonly name: string;
  readonly spec?: Partial<EdgeNodeSpec> | "none";
  readonly token?: string;
  readonly signedBy?: readonly string[];
  readonly isTaken?: boolean;
  readonly expected: object;
}

const approved = { kind: "approved", spec: { disabled: false, publicKey: KEY } };
const refused = (reason: string): object => ({ kind: "refused", reason });

describe("a request for credentials", () => {
  test.each<Case>([
    {
      name: "with the token: the key becomes the node's, and the token is used up",
      spec: { enrollment: good },
      token: TOKEN,
      expected: approved,
    },
    {
      name: "with the token, for another key than before",
      spec: { publicKey: OTHER_KEY, enrollment: good },
      token: TOKEN,
      expected: approved,
    },
    {
      name: "with a token, for the same key",
      spec: { publicKey: KEY, enrollment: good },
      token: TOKEN,
      expected: approved,
    },
    {
      name: "with an expired token",
      spec: { enrollment: expired },
      token: TOKEN,
      expected: refused("TokenExpired"),
    },
    {
      name: "with an expired token, for the key that it has",
      spec: { publicKey: KEY, enrollment: expired },
      token: TOKEN,
      expected: { kind: "known" },
    },
    {
      name: "with a used token, by who used it",
      spec: { publicKey: KEY },
      token: TOKEN,
      expected: { kind: "known" },
    },
    {
      name: "with a used token, by another key",
      spec: { publicKey: OTHER_KEY },
      token: TOKEN,
      expected: refused("KeyNotApproved"),
    },
    {
      name: "with a token that another was made after",
      spec: { enrollment: otherToken },
      token: TOKEN,
      expected: refused("KeyNotApproved"),
    },
    {
      name: "with the token, signed by the node only",
      spec: { enrollment: good },
      token: TOKEN,
      signedBy: [KEY],
      expected: refused("Malformed"),
    },
    {
      name: "with the token, signed by the token only",
      spec: { enrollment: good },
      token: TOKEN,
      signedBy: [TOKEN],
      expected: refused("Malformed"),
    },
    {
      name: "of the node's key, signed by another",
      spec: { publicKey: KEY },
      signedBy: [OTHER_KEY],
      expected: refused("Malformed"),
    },
    { name: "with the key that is in Git", spec: { publicKey: KEY }, expected: { kind: "known" } },
    {
      name: "with the key that is in Git, while a token waits",
      spec: { publicKey: KEY, enrollment: good },
      expected: { kind: "known" },
    },
    {
      name: "with another key than in Git",
      spec: { publicKey: OTHER_KEY },
      expected: refused("KeyNotApproved"),
    },
    {
      name: "without a token, while one waits",
      spec: { enrollment: good },
      expected: refused("NotEnrolled"),
    },
    { name: "of an EdgeNode that names no key", spec: {}, expected: refused("NotEnrolled") },
    { name: "without an EdgeNode", spec: "none", expected: refused("NotEnrolled") },
    {
      name: "of a disabled node, with its key",
      spec: { publicKey: KEY, disabled: true },
      expected: refused("Disabled"),
    },
    {
      name: "of a disabled node, with a token",
      spec: { enrollment: good, disabled: true },
      token: TOKEN,
      expected: refused("Disabled"),
    },
    {
      name: "of a name that is another namespace's",
      spec: { enrollment: good },
      token: TOKEN,
      isTaken: true,
      expected: refused("NameConflict"),
    },
  ])("$name", ({ spec = {}, token, signedBy, isTaken = false, expected }) => {
    const request = {
      namespace: "default",
      node: "ship1",
      publicKey: KEY,
      ...(token === undefined ? {} : { token }),
    };
    const decision = decideEnrollment({
      request,
      signedBy: new Set(signedBy ?? [KEY, ...(token === undefined ? [] : [token])]),
      node: spec === "none" ? undefined : edgeNode(spec),
      isTaken,
      now: NOW,
    });
    expect(decision).toMatchObject(expected);
    if (decision.kind === "approved") expect(decision.spec).not.toHaveProperty("enrollment");
  });

  test("that is refused for want of a token says how to get one", () => {
    const request = { namespace: "ships", node: "ship1", publicKey: KEY };
    const decision = decideEnrollment({
      request,
      signedBy: new Set([KEY]),
      node: undefined,
      isTaken: false,
      now: NOW,
    });
    expect(decision).toMatchObject({
      message: expect.stringContaining("steward enroll ship1 -n ships"),
    });
  });

  test("of an EdgeNode that is being deleted is refused", () => {
    const node = edgeNode({ publicKey: KEY });
    const deleted = { ...node.metadata, deletionTimestamp: "2026-11-24T06:00:00Z" };
    const decision = decideEnrollment({
      request: { namespace: "default", node: "ship1", publicKey: KEY },
      signedBy: new Set([KEY]),
      node: { ...node, metadata: deleted },
      isTaken: false,
      now: NOW,
    });
    expect(decision).toMatchObject(refused("NotEnrolled"));
  });
});

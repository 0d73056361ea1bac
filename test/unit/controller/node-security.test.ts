import { describe, expect, test } from "vitest";

import type { EdgeNode } from "../../../src/api/v1alpha1/edgenode.ts";
import { keyOf, nodeSecurityOf } from "../../../src/controller/node-security.ts";
import { ANYONE } from "../../../src/protocol/signature.ts";
import {
  CONTROLLER_KEY,
  CONTROLLER_SIGNERS,
  NODE_KEY,
  TOKEN_KEY,
} from "../../support/test-keys.ts";
import { edgeNode } from "../../support/builders.ts";

const KEYS = {
  signers: CONTROLLER_SIGNERS,
  set: { serial: 1, keys: [CONTROLLER_KEY.publicKey] },
};
const BYTES = Buffer.from("what a node says");

describe("who may speak as a node", () => {
  test.each<[string, EdgeNode | undefined, boolean]>([
    ["has its key", edgeNode({ publicKey: NODE_KEY.publicKey, disabled: false }), true],
    ["has another key", edgeNode({ publicKey: TOKEN_KEY.publicKey, disabled: false }), false],
    [
      "has its key, while it is disabled",
      edgeNode({ publicKey: NODE_KEY.publicKey, disabled: true }),
      false,
    ],
    ["has no key that is declared", edgeNode({ disabled: false }), false],
    ["is no node at all", undefined, false],
  ])("who %s", (_, node, isBelieved) => {
    const trust = nodeSecurityOf(
      () => KEYS,
      () => node,
    ).trustOf("ship1");
    if (trust === ANYONE) throw new Error("everybody is believed");
    expect(trust(NODE_KEY.publicKey, BYTES, NODE_KEY.sign(BYTES))).toBe(isBelieved);
    expect(keyOf(node) === NODE_KEY.publicKey).toBe(isBelieved);
  });

  test("is anybody only where nothing is signed", () => {
    const security = nodeSecurityOf(
      () => "insecure",
      () => undefined,
    );
    expect(security.trustOf("ship1")).toBe(ANYONE);
    expect(security.signers).toEqual([]);
  });
});

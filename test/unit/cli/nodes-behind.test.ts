import { expect, test } from "vitest";

import { nodesBehind } from "../../../src/cli/rotate-command-key.ts";

const metadata = {
  namespace: "fleet",
  name: "ship1",
  uid: "u",
  resourceVersion: "1",
  generation: 1,
  creationTimestamp: "2026-11-24T12:00:00Z",
};

test.each([
  { what: "trusts an older set", publicKey: "U", trustSerial: 2, isBehind: true },
  { what: "trusts this set", publicKey: "U", trustSerial: 3, isBehind: false },
  { what: "trusts a newer set", publicKey: "U", trustSerial: 4, isBehind: false },
  { what: "was not heard of since it was enrolled", publicKey: "U", isBehind: true },
  { what: "has no key yet: it learns the set from its token", trustSerial: 2, isBehind: false },
  { what: "has another key since it said so", publicKey: "U2", trustSerial: 3, isBehind: true },
  { what: "is disabled", publicKey: "U", trustSerial: 2, disabled: true, isBehind: false },
])("a node that $what is behind set 3: $isBehind", (node) => {
  const { publicKey, trustSerial, disabled = false, isBehind } = node;
  const identity = { publicKey: "U", ...(trustSerial === undefined ? {} : { trustSerial }) };
  const nodes = [
    {
      metadata,
      spec: { disabled, ...(publicKey === undefined ? {} : { publicKey }) },
      status: { observedGeneration: 1, identity },
    },
  ];
  expect(nodesBehind(nodes, 3)).toEqual(isBehind ? ["fleet/ship1"] : []);
});

import { describe, expect, test } from "vitest";

import { NodeRegistry } from "../../../../src/controller/edgenode/registry.ts";
import type { Hello } from "../../../../src/protocol/hello.ts";
import { OTHER_UID, SESSION_ID } from "../../../support/builders.ts";

const SHIP = { namespace: "default", name: "ship1" };
const GRACE_MS = 100;

function hello(overrides: Partial<Hello> = {}): Hello {
  return {
    namespace: "default",
    sessionID: SESSION_ID,
    bootID: OTHER_UID,
    ledgerID: OTHER_UID,
    ledgerCounter: 0,
    agentVersion: "0.1.0",
    protocol: { min: 1, max: 1 },
    methods: [],
    facts: { os: "linux", arch: "x64", kernel: "6", hostname: "h" },
    runs: [],
    runsWithoutReceipt: 0,
    ...overrides,
  };
}

/** One that has listened since 1,000. */
function listening(): NodeRegistry {
  const registry = new NodeRegistry({ gracePeriodMs: GRACE_MS });
  registry.listen(1_000);
  return registry;
}

describe("the silence of a node", () => {
  test("that was never heard began when this process began to listen", () => {
    const registry = new NodeRegistry({ gracePeriodMs: GRACE_MS });
    expect(registry.silentMs(SHIP, 5_000)).toBe(0);
    registry.listen(1_000);
    expect(registry.silentMs(SHIP, 5_000)).toBe(4_000);
  });

  test("begins with its last hello", () => {
    const registry = listening();
    registry.heard("ship1", hello(), 3_000);
    expect(registry.silentMs(SHIP, 5_000)).toBe(2_000);
    expect(registry.silentMs({ ...SHIP, namespace: "other" }, 5_000)).toBe(4_000);
  });

  test("that was only assumed to be there begins with the assumption", () => {
    const registry = listening();
    const { namespace, sessionID, ledgerID } = hello();
    registry.assume("ship1", { namespace, sessionID, ledgerID }, 1_500);
    expect(registry.silentMs(SHIP, 5_000)).toBe(3_500);
  });

  test("is none of its own while nothing can be heard, and begins anew after that", () => {
    const registry = listening();
    registry.heard("ship1", hello(), 1_000);
    registry.goneDeaf(3_000);
    expect(registry.silentMs(SHIP, 900_000)).toBe(0);
    registry.canHear(900_000);
    expect(registry.silentMs(SHIP, 900_500)).toBe(500);
    expect(registry.silentMs({ ...SHIP, name: "ship2" }, 900_500)).toBe(500);
  });

  test("is not broken by hellos that are refused for an earlier copy of the ledger", () => {
    const registry = listening();
    registry.heard("ship1", hello({ ledgerCounter: 2 }), 2_000);
    registry.heard("ship1", hello({ ledgerCounter: 1 }), 4_000);
    expect(registry.silentMs(SHIP, 5_000)).toBe(3_000);
    registry.heard("ship1", hello({ ledgerCounter: 2 }), 5_000);
    expect(registry.silentMs(SHIP, 5_000)).toBe(0);
  });
});

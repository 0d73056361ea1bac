import { describe, expect, test } from "vitest";

import { NodeRegistry } from "../../../../src/controller/edgenode/registry.ts";
import type { Hello } from "../../../../src/protocol/hello.ts";
import { OTHER_UID, SESSION_ID } from "../../../support/builders.ts";

const SHIP = { namespace: "default", name: "ship1" };
const GRACE_MS = 100;

function hello(overrides: Partial<Hello> = {}): Hello {
  return {
    namespace: "default",
    node: "ship1",
    sessionID: SESSION_ID,
    sequence: 1,
    sealingKey: "s".repeat(43),
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

  test("whose EdgeNode was deleted begins with that, and not when this process began to listen", () => {
    const registry = listening();
    registry.heard("ship1", hello(), 3_000);
    registry.forget("ship1", 3_010);
    expect(registry.get("ship1")).toBeUndefined();
    expect(registry.silentMs(SHIP, 3_020)).toBe(10);
    registry.heard("ship2", hello(), 3_000);
    registry.forget("ship2", 3_050);
    expect(registry.silentMs(SHIP, 3_060)).toBe(50);
    registry.heard("ship1", hello(), 3_100);
    expect(registry.silentMs(SHIP, 3_100)).toBe(0);
  });

  test("that was never heard is not broken by the deletion of its EdgeNode", () => {
    const registry = listening();
    registry.forget("ship1", 3_000);
    expect(registry.silentMs(SHIP, 5_000)).toBe(4_000);
  });
});

describe("a node to whose commands nobody listens", () => {
  const TEN_MINUTES = 600_000;

  /** Nobody listened at 2,000; it says hello right after. */
  function backAgain(overrides: Partial<Hello> = {}): NodeRegistry {
    const registry = listening();
    registry.heard("ship1", hello(), 2_000);
    registry.markUnreachable("ship1", 2_000);
    expect(registry.remainingMs("ship1", 2_000)).toBe(0);
    registry.heard("ship1", hello(overrides), 2_010);
    expect(registry.remainingMs("ship1", 2_010)).toBe(GRACE_MS);
    return registry;
  }

  test.each([
    ["stays there when it is so again within ten minutes", {}, 2_000 + TEN_MINUTES - 1, GRACE_MS],
    ["is away when it is so again after ten minutes", {}, 2_000 + TEN_MINUTES, 0],
    ["is away at once in a new session of its agent", { sessionID: OTHER_UID }, 2_020, 0],
  ])("and says hello: it %s", (_, next, again, remainingMs) => {
    const registry = backAgain(next);
    registry.heard("ship1", hello(next), again);
    registry.markUnreachable("ship1", again);
    expect(registry.remainingMs("ship1", again)).toBe(remainingMs);
  });

  test("is away, however many of its commands tell that at once", () => {
    const registry = listening();
    registry.heard("ship1", hello(), 2_000);
    for (const now of [2_000, 2_000, 2_001]) registry.markUnreachable("ship1", now);
    expect(registry.remainingMs("ship1", 2_001)).toBe(0);
  });

  test("stays there for as long as that is found again and again", () => {
    const registry = backAgain();
    for (let now = 300_000; now < 3 * TEN_MINUTES; now += 300_000) {
      registry.heard("ship1", hello(), now);
      registry.markUnreachable("ship1", now);
      expect(registry.remainingMs("ship1", now)).toBe(GRACE_MS);
    }
  });
});

describe("the presence of a node", () => {
  test("lasts the whole grace period again after a deaf time, but not after each while it is silent", () => {
    const registry = listening();
    registry.heard("ship1", hello(), 2_000);
    registry.goneDeaf(2_090);
    registry.canHear(5_000);
    expect(registry.remainingMs("ship1", 5_000)).toBe(GRACE_MS);
    registry.goneDeaf(5_060);
    registry.canHear(9_000);
    expect(registry.remainingMs("ship1", 9_000)).toBe(40);
    registry.goneDeaf(9_039);
    registry.canHear(9_500);
    expect(registry.remainingMs("ship1", 9_501)).toBe(0);
    registry.heard("ship1", hello({ sequence: 2 }), 9_600);
    registry.goneDeaf(9_690);
    registry.canHear(9_900);
    expect(registry.remainingMs("ship1", 9_900)).toBe(GRACE_MS);
  });
});

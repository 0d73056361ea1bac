import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { sharedControlPlane } from "../support/control-plane.ts";
import { Fleet } from "../support/fleet.ts";
import { applyGated } from "../support/gate.ts";
import { pastTheSecondOf } from "../support/past-the-second.ts";
import { recordedIn, timesRun } from "../support/truth.ts";

const WAIT = { timeout: 60_000, interval: 100 };

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(sharedControlPlane(), ["ship1", "ship2"]);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** A command that appends to its truth until something ends it; resolves when it does. */
async function applyTicking(name: string, nodeName: string): Promise<() => Promise<number>> {
  const truth = fleet.truthPath(name);
  const script = `while :; do ${recordedIn(truth)}; sleep 0.1; done`;
  await fleet.apply(name, { nodeName, method: "shellcommand", args: [script] });
  const ticks = (): Promise<number> => timesRun(truth);
  await vi.waitFor(async () => expect(await ticks()).toBeGreaterThan(1), WAIT);
  return ticks;
}

function ledger(): string {
  return join(fleet.dir, fleet.node("ship2"), "ledger.db");
}

async function edgeNode(): Promise<Record<string, unknown>> {
  const text = await fleet.kubectl(["get", "en", fleet.node("ship2"), "-o", "json"]);
  return (JSON.parse(text) as { status: Record<string, unknown> }).status;
}

async function ended(ticks: () => Promise<number>): Promise<void> {
  await vi.waitFor(async () => {
    const before = await ticks();
    await sleep(500);
    expect(await ticks()).toBe(before);
  }, WAIT);
}

describe("deleting a command that runs", () => {
  test("ends it on its node", async () => {
    const ticks = await applyTicking("deleted", "ship1");
    await fleet.kubectl(["delete", "ec", "deleted", "--timeout=10s"]);
    await ended(ticks);
  });

  test("does not wait for a node that cannot be reached, and ends it when that is back", async () => {
    const ticks = await applyTicking("deleted-away", "ship2");
    await fleet.agent("ship2").stop("SIGKILL");
    await fleet.untilReady("False", ["ship2"]);
    await fleet.kubectl(["delete", "ec", "deleted-away", "--timeout=10s"]);
    await fleet.agent("ship2").start();
    await fleet.untilReady("True", ["ship2"]);
    await ended(ticks);
  });

  test("does not wait for a controller either", async () => {
    await applyGated(fleet, "deleted-unseen", "ship1");
    await fleet.controller.stop("SIGKILL");
    await fleet.kubectl(["delete", "ec", "deleted-unseen", "--timeout=10s"]);
    await fleet.controller.start();
    await fleet.untilReady("True", ["ship1"]);
  });
});

describe("a node's ledger", () => {
  test("that is put back is refused until it is removed, and then there is another", async () => {
    const agent = fleet.agent("ship2");
    await fleet.untilReady("True", ["ship2"]);
    await agent.stop("SIGTERM");
    await copyFile(ledger(), `${ledger()}.backup`);
    await agent.start();
    for (const name of ["counted-1", "counted-2"]) {
      await fleet.apply(name, { nodeName: "ship2", method: "shellcommand", args: ["true"] });
      await fleet.completed(name);
    }
    // A hello of another session tells that there are two more: without one, nobody could know of them.
    const { ledgerCounter: before } = await edgeNode();
    await agent.stop("SIGTERM");
    await agent.start();
    await vi.waitFor(async () => {
      expect((await edgeNode())["ledgerCounter"]).toBe(Number(before) + 2);
    }, WAIT);
    await agent.stop("SIGTERM");
    await copyFile(`${ledger()}.backup`, ledger());
    await rm(`${ledger()}-wal`, { force: true });
    await agent.start();
    await vi.waitFor(async () => {
      expect((await edgeNode())["conditions"]).toContainEqual(
        expect.objectContaining({ type: "Stalled", reason: "LedgerRolledBack" }),
      );
    }, WAIT);
    const { ledgerID } = await edgeNode();
    await fleet.apply("held", { nodeName: "ship2", method: "shellcommand", args: ["true"] });
    await agent.stop("SIGTERM");
    for (const suffix of ["", "-wal", "-shm"]) await rm(ledger() + suffix, { force: true });
    await agent.start();
    await fleet.untilReady("True", ["ship2"]);
    expect(await edgeNode()).toMatchObject({ previousLedgerID: ledgerID });
    expect(await fleet.completed("held")).toMatchObject({
      phase: "Unknown",
      run: { reason: "LedgerLost" },
    });
    await pastTheSecondOf(String((await edgeNode())["ledgerSince"]));
    await fleet.apply("later", { nodeName: "ship2", method: "shellcommand", args: ["true"] });
    expect(await fleet.completed("later")).toMatchObject({ phase: "Succeeded" });
  });
});

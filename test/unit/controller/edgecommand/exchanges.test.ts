import { describe, expect, test } from "vitest";

import { Exchanges } from "../../../../src/controller/edgecommand/exchanges.ts";
import type { Exchange } from "../../../../src/controller/edgecommand/observe.ts";
import { SETTLE_MS } from "../../../../src/controller/edgecommand/offering.ts";
import { edgeCommand, NOW, OTHER_UID, runReport } from "../../../support/builders.ts";
import { answered, asked } from "./planning.ts";
import { KEY, ReconcilerWorld } from "./reconciler-world.ts";

const command = edgeCommand();
const { metadata } = command;

function hurried(exchange: Exchange): Exchange {
  const exchanges = new Exchanges();
  exchanges.begin(KEY, metadata, exchange);
  exchanges.hurry(KEY);
  return exchanges.get(KEY, metadata);
}

describe("to hurry", () => {
  test("makes the offer due now, and what the node said last is in doubt", () => {
    const report = runReport(command, { state: "Accepted" });
    const before = { ...answered(report), dueAt: 90_000 };
    expect(hurried(before)).toMatchObject({ report, dueAt: 0, confirmed: false, isStale: true });
  });

  test("lets what is asked anew last anew", () => {
    expect(hurried({ ...asked, inFlight: false }).firstTryAt).toBeUndefined();
  });

  test("does not take from what is on its way the time that it has lasted", () => {
    expect(hurried(asked).firstTryAt).toBe(asked.firstTryAt);
  });

  test("changes nothing where nothing was said yet", () => {
    const exchanges = new Exchanges();
    exchanges.hurry(KEY);
    expect(exchanges.get(KEY, metadata)).toMatchObject({ tries: 0, isStale: false });
  });
});

test("a node that is back and answers at once costs no write of Sent", async () => {
  const world = new ReconcilerWorld();
  world.commands.put(command);
  await world.passes();
  world.node = { kind: "away", message: "Nothing is heard." };
  await world.clock.advance(10 * SETTLE_MS);
  await world.passes();
  expect(world.status).toMatchObject({ phase: "WaitingForNode" });
  const phases: unknown[] = [];
  const updateStatus = world.commands.updateStatus.bind(world.commands);
  world.commands.updateStatus = (object, status) => {
    phases.push("phase" in status ? status.phase : undefined);
    return updateStatus(object, status);
  };
  await world.clock.advance(600_000);
  world.node = { kind: "present", sessionID: OTHER_UID };
  world.exchanges.hurry(KEY);
  world.answer = () => ({ answer: "known", run: runReport(command) });
  await world.passes();
  expect(phases).toEqual(["Succeeded"]);
  expect(world.clock.now()).toBeGreaterThan(NOW + 600_000);
});

import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { environmentOf } from "../../../src/agent/base-environment.ts";
import { EndRequest } from "../../../src/agent/end-request.ts";
import { gatherFacts } from "../../../src/agent/facts.ts";
import type { LedgerTables } from "../../../src/agent/ledger-tables.ts";
import { runProcess } from "../../../src/agent/process-runner.ts";
import type { RunEnd } from "../../../src/agent/run-end.ts";
import { RunSpool } from "../../../src/agent/run-spool.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { command, type Offer } from "../../unit/agent/controller-side.ts";
import { OWN_STANDING } from "../../support/standings.ts";
import { eventually, type World } from "./world.ts";

export const LONG_AGO = "2026-11-24T06:00:00.000Z";
/** Another boot than this one. */
export const EARLIER_BOOT = "eeeeeeee-0000-4000-8000-000000000005";

/** Leaves an accepted run behind as an agent does that was killed, and what `further` makes of it. */
export async function leave(
  world: World,
  offer: Offer,
  further: (tables: LedgerTables, runID: string) => void = () => undefined,
): Promise<string> {
  const runID = randomUUID();
  const ledger = world.openLedger();
  await ledger.commit((tables) => {
    tables.insertRun(runID, command({ name: world.name(), ...offer }), LONG_AGO);
    tables.setCurrent(runID, undefined);
    further(tables, runID);
  });
  ledger.close();
  return runID;
}

export interface UnderWay {
  readonly state: "Starting" | "Running";
  readonly bootID?: string;
  readonly startedAgoMs?: number;
}

/** Leaves an attempt behind that was committed to, of which there is no process. */
export async function leaveAttempt(world: World, offer: Offer, found: UnderWay): Promise<string> {
  const bootID = found.bootID ?? (await gatherFacts()).bootID;
  const startingAt = systemClock.monotonic() - (found.startedAgoMs ?? 0);
  return leave(world, offer, (tables, runID) => {
    tables.markStarting(runID, { bootID, startingAt });
    if (found.state === "Running") tables.markRunning(runID, LONG_AGO);
  });
}

/** The same with the process, which goes on. `end`: how it ends, as an agent sees it that is not stopped. */
export async function leaveProcess(
  world: World,
  script: string,
  { offer = {}, ...found }: UnderWay & { readonly offer?: Offer },
): Promise<{ readonly runID: string; readonly end: Promise<RunEnd> }> {
  const { work, terms } = command(offer);
  const runID = await leaveAttempt(world, offer, found);
  const identity = { runID, node: "ship1", namespace: "default", name: "task" };
  const spec = {
    runID,
    attempt: 1,
    standing: OWN_STANDING,
    argv: ["/bin/sh", "-c", script] as const,
    env: environmentOf(identity, [], OWN_STANDING.account),
    work,
    terms,
    deadline: Number.POSITIVE_INFINITY,
  };
  const owner = { end: new EndRequest(), onForked: () => undefined };
  const options = { clock: systemClock, killGraceMs: 300, spool: new RunSpool(world.dataDir) };
  const end = runProcess(spec, owner, options);
  end.catch(() => undefined);
  await eventually(() => expect(world.lines(`data/runs/${runID}.1/pid`)).toHaveLength(1));
  return { runID, end };
}

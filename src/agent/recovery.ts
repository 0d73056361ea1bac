import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { ControllerClock } from "./controller-clock.ts";
import type { DueRun } from "./dispatcher.ts";
import type { OpenRun } from "./ledger-run.ts";
import type { Ledger } from "./ledger.ts";
import type { Method } from "./methods/method.ts";
import { rejectionOf } from "./rejection.ts";
import type { RunEnd } from "./run-end.ts";
import { killRuns } from "./run-processes.ts";

export interface RecoveryOptions {
  readonly bootID: string;
  /** Of this agent: an earlier one may have accepted what this one cannot do. */
  readonly methods: readonly Method[];
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly controllerClock: ControllerClock;
  readonly logger: Logger;
  readonly runs: { start(run: DueRun): void; resultDue(runID: string): void };
}

/**
 * Settles what an earlier agent left open, before this one takes commands: what it had started is ended
 * and recorded as Interrupted, what it had only accepted is started now, if this one can do it. Needs the controller's time.
 */
export async function recover(options: RecoveryOptions): Promise<void> {
  const { bootID, methods, ledger, clock, controllerClock, logger, runs } = options;
  const open = ledger.read.openRuns();
  const interrupted = open.filter(({ state }) => state !== "Accepted");
  const killed = await killRuns(new Set(interrupted.map(({ runID }) => runID)), clock);
  const accepted = open.filter(({ state }) => state === "Accepted");
  const ends = new Map<string, RunEnd>(
    interrupted.map((run) => [run.runID, interruption(run, bootID)]),
  );
  for (const { runID, work } of accepted) {
    const rejection = rejectionOf(work, methods);
    if (rejection !== undefined) ends.set(runID, rejection);
  }
  const finishedAt = controllerClock.timestamp();
  await ledger.commit((tables) => {
    for (const [runID, end] of ends) tables.finish(runID, { ...end, finishedAt });
  });
  for (const runID of ends.keys()) runs.resultDue(runID);
  for (const run of accepted) {
    if (!ends.has(run.runID)) runs.start({ ...run, method: run.work.method });
  }
  if (open.length > 0) {
    const fields = { interrupted: interrupted.length, processesKilled: killed };
    logger.info({ ...fields, accepted: accepted.length }, "took up what the last agent left");
  }
}

/**
 * What is known of a run that an earlier agent had started. Only one that was recorded after its fork is
 * known to have begun. Pure.
 */
export function interruption(
  run: Pick<OpenRun, "state" | "bootID" | "startedAt">,
  bootID: string,
): RunEnd {
  const sameBoot = run.bootID === bootID;
  return {
    outcome: "Interrupted",
    started: run.state === "Running" ? "True" : "Unknown",
    ...(run.startedAt === undefined ? {} : { startedAt: run.startedAt }),
    reason: sameBoot ? "AgentRestarted" : "MachineRestarted",
    message: sameBoot
      ? "The agent was restarted while it ran."
      : "The machine was restarted while it ran.",
  };
}

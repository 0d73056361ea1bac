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
  readonly controllerClock: ControllerClock;
  readonly logger: Logger;
  readonly runs: { start(run: DueRun): void; resultDue(runID: string): void };
}

/**
 * Ends what an earlier agent had started and left running: nobody keeps its time-out any more. Needs
 * nothing from outside, so that it does not wait for a link. Resolves to how many processes there were.
 */
export async function endLeftovers(ledger: Ledger, clock: Clock): Promise<number> {
  const started = ledger.read.openRuns().filter(({ state }) => state !== "Accepted");
  return killRuns(new Set(started.map(({ runID }) => runID)), clock);
}

/**
 * Settles what an earlier agent left open, after `endLeftovers` and before this one takes commands: what
 * it had started is recorded as Interrupted, what it had only accepted is started now, if this one can do
 * it. Needs the controller's time.
 */
export async function recover(options: RecoveryOptions): Promise<void> {
  const { bootID, methods, ledger, controllerClock, logger, runs } = options;
  const open = ledger.read.openRuns();
  const interrupted = open.filter(({ state }) => state !== "Accepted");
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
    const fields = { interrupted: interrupted.length, accepted: accepted.length };
    logger.info(fields, "took up what the last agent left");
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

import { aborted } from "../runtime/aborted.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { ControllerClock } from "./controller-clock.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { OpenRun } from "./ledger-run.ts";
import type { Ledger } from "./ledger.ts";
import type { Method } from "./methods/method.ts";
import type { RunEnd } from "./run-end.ts";
import type { RunRecorder } from "./run-recorder.ts";
import type { RunSpool } from "./run-spool.ts";

export interface RecoveryOptions {
  readonly bootID: string;
  /** Of this agent: an earlier one may have accepted what this one cannot do. */
  readonly methods: readonly Method[];
  readonly ledger: Ledger;
  readonly spool: Pick<RunSpool, "retain">;
  readonly controllerClock: ControllerClock;
  readonly logger: Logger;
  readonly dispatcher: Pick<Dispatcher, "reattach">;
  readonly recorder: Pick<RunRecorder, "ended" | "accepted">;
}

/**
 * Takes up what an earlier agent left, before this one takes commands. What it had started in this boot is
 * kept from here on, at once and without anything from outside. For all else the controller's time has to
 * be known: what went down with the machine is recorded, what was only accepted is started when it may be.
 * Resolves early when the signal is aborted.
 */
export async function recover(options: RecoveryOptions, signal: AbortSignal): Promise<void> {
  const { ledger, controllerClock, dispatcher, recorder, logger } = options;
  const open = ledger.read.openRuns();
  const accepted = open.filter(({ state }) => state === "Accepted");
  const underWay = open.filter(({ state }) => state !== "Accepted");
  const kept = underWay.filter((run) => isKept(run, options));
  const lost = underWay.filter((run) => !isKept(run, options));
  await retainFiles(options, underWay);
  for (const run of kept) dispatcher.reattach(run);
  await Promise.race([controllerClock.known, aborted(signal)]);
  if (signal.aborted) return;
  await Promise.all(lost.map((run) => recorder.ended(run, interruption(run, options.bootID))));
  for (const run of accepted) await recorder.accepted(run);
  if (open.length > 0) {
    const fields = { reattached: kept.length, lost: lost.length, accepted: accepted.length };
    logger.info(fields, "took up what the last agent left");
  }
}

/** Whether its process can outlive an agent and did not go down with the machine. */
function isKept({ bootID, work }: OpenRun, options: RecoveryOptions): boolean {
  const method = options.methods.find(({ name }) => name === work.method);
  return bootID === options.bootID && method?.instant !== true;
}

/** Removes the files of attempts that are over. An attempt that is still to be made has none. */
async function retainFiles(
  { spool, logger }: RecoveryOptions,
  underWay: readonly OpenRun[],
): Promise<void> {
  try {
    await spool.retain(new Set(underWay.map(({ runID }) => runID)));
  } catch (thrown) {
    logger.warn({}, `the files of earlier runs cannot be removed: ${errorMessage(thrown)}`);
  }
}

/**
 * What is known of an attempt that nobody keeps any more. Only one that was recorded after its fork is
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

import type { Bus } from "../protocol/bus.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ProcessError } from "../runtime/errorkernel.ts";
import type { ErrorEvents } from "./error-events.ts";
import { untilConnected } from "./until-connected.ts";

/** How long an agent that cannot go on waits for a connection to say so. */
const CONNECTION_WAIT_MS = 10_000;

export interface ShutdownReportOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly events: ErrorEvents;
}

/**
 * Tells the controller why the agent is about to end, once there is a connection; gives up when there is
 * none for a while, or when the signal is aborted. It has left when the bus has been closed after that.
 */
export async function reportShutdown(
  report: ProcessError,
  { bus, clock, events }: ShutdownReportOptions,
  signal: AbortSignal,
): Promise<void> {
  await untilConnected(bus, { clock, ms: CONNECTION_WAIT_MS }, signal);
  events.publish(report);
}

import type { Bus } from "../protocol/bus.ts";
import type { Clock } from "../runtime/clock.ts";

/** Resolves when there is a connection, after `ms`, or when the signal is aborted; to whether there is one. */
export async function untilConnected(
  bus: Pick<Bus, "connected" | "onConnectedChange">,
  { clock, ms }: { readonly clock: Pick<Clock, "sleep">; readonly ms: number },
  signal: AbortSignal,
): Promise<boolean> {
  const up = new AbortController();
  const ignore = bus.onConnectedChange((connected) => {
    if (connected) up.abort();
  });
  if (!bus.connected) await clock.sleep(ms, AbortSignal.any([up.signal, signal]));
  ignore();
  return bus.connected;
}

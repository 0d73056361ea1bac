import type { StewardProcess } from "../../dev/fleet.ts";

/** Starts a process again whenever it has been killed, until the signal is aborted. */
export async function resurrect(one: StewardProcess, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const aborted = Promise.withResolvers<"aborted">();
    signal.addEventListener("abort", () => aborted.resolve("aborted"), { once: true });
    if ((await Promise.race([one.exited, aborted.promise])) === "aborted") return;
    await one.stop();
    if (!signal.aborted) await one.start();
  }
}

import { setTimeout as sleep } from "node:timers/promises";

import { abortable } from "../dev/controlplane/waiting.ts";
import { connectClient } from "../dev/controlplane/nats-client.ts";
import { agentProcess } from "../dev/fleet.ts";
import { eventSubject } from "../src/protocol/subjects.ts";
import { residentBytes } from "./process-usage.ts";
import type { Stage } from "./stage.ts";

const NODE = "startup-100";
const PATIENCE_MS = 30_000;

export interface StartupFigures {
  /** From the fork to the hello's arrival at a subscriber, of each start. */
  readonly startMs: readonly number[];
  /** In bytes, of each start, some time after its first hello. */
  readonly resident: readonly number[];
}

export interface StartupOptions {
  readonly namespace: string;
  readonly starts: number;
  /** How long it does nothing before its memory is looked at. */
  readonly idleMs: number;
}

/** Starts `steward agent` as in production, again and again, with the journal of the start before. */
export async function measureStartup(
  stage: Stage,
  { namespace, starts, idleMs }: StartupOptions,
): Promise<StartupFigures> {
  const { guardian, plane, broker, signal } = stage;
  const access = { guardian, kubeconfigPath: plane.kubeconfigPath, ...broker };
  const agent = await agentProcess(NODE, access, [], namespace);
  const nats = await connectClient(broker);
  let heard: (() => void) | undefined;
  nats.subscribe(eventSubject(NODE, "hello"), { callback: () => heard?.() });
  await nats.flush();
  const startMs: number[] = [];
  const resident: number[] = [];
  try {
    // The first enrolls it, which no other does.
    for (let start = -1; start < starts; start += 1) {
      const hello = new Promise<void>((resolve) => {
        heard = resolve;
      });
      const begun = performance.now();
      await agent.start();
      await abortable(hello, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]));
      const startedMs = performance.now() - begun;
      await sleep(idleMs);
      const bytes = await residentBytes(agent.pid);
      if (start >= 0) {
        startMs.push(startedMs);
        resident.push(bytes);
      }
      await agent.stop();
    }
  } finally {
    await nats.close();
  }
  return { startMs, resident };
}

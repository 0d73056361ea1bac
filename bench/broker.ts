import { setTimeout as sleep } from "node:timers/promises";

import { startNatsServer } from "../dev/controlplane/control-plane.ts";
import { connectClient } from "../dev/controlplane/nats-client.ts";
import { abortable } from "../dev/controlplane/waiting.ts";
import { CONNECTED, type ConnectionsConfig } from "./connections-config.ts";
import { residentBytes } from "./process-usage.ts";
import type { Stage } from "./stage.ts";

const PATIENCE_MS = 60_000;
/** The broker's memory settles a little after the last connection. */
const SETTLE_MS = 1_000;

/** Of the broker's memory, in bytes, what one connection took, in each repetition. */
export interface BrokerFigures {
  readonly bare: readonly number[];
  readonly node: readonly number[];
}

export interface BrokerOptions {
  readonly connections: number;
  readonly repetitions: number;
}

export async function measureBroker(stage: Stage, options: BrokerOptions): Promise<BrokerFigures> {
  const bare: number[] = [];
  const node: number[] = [];
  for (let repetition = 0; repetition < options.repetitions; repetition += 1) {
    bare.push(await bytesPerConnection(stage, "bare", options.connections));
    node.push(await bytesPerConnection(stage, "node", options.connections));
  }
  return { bare, node };
}

/** On a broker of its own, so that nothing of the earlier ones is left in its heap. */
async function bytesPerConnection(
  stage: Stage,
  kind: ConnectionsConfig["kind"],
  count: number,
): Promise<number> {
  const { signal, pinning } = stage;
  await using server = await startNatsServer({ signal, progress: stage.progress });
  const { pid } = server.component;
  await pinning.others(pid);
  const broker = { natsUrl: server.url, keysDir: server.keysDir ?? "" };
  const nats = await connectClient(broker);
  try {
    const connected = Promise.withResolvers<void>();
    nats.subscribe(CONNECTED, { callback: () => connected.resolve() });
    await nats.flush();
    await sleep(SETTLE_MS);
    const before = await residentBytes(pid);
    const config: ConnectionsConfig = { ...broker, kind, count };
    const args = [JSON.stringify(config)];
    const client = await stage.start("connections", "bench/connections.ts", args);
    await abortable(connected.promise, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]));
    await sleep(SETTLE_MS);
    const after = await residentBytes(pid);
    await client.stop();
    return (after - before) / count;
  } finally {
    await nats.close();
  }
}

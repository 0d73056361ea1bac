/** A program: nodes that lose their broker and come back to it. Runs until it is stopped. */
import { rename, writeFile } from "node:fs/promises";

import { mintNodeCredentials, readKeyFile } from "../dev/controlplane/nats-access.ts";
import { stopSignal } from "../src/cli/start.ts";
import type { NatsBus } from "../src/nats/connect-bus.ts";
import { systemClock as clock } from "../src/runtime/clock.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { seededRandom } from "../test/support/seeded-random.ts";
import { nodeBus, sayHello, type NodeBusOptions } from "./node-bus.ts";
import { milestonePath, type Milestone, type ReconnectConfig } from "./reconnect-config.ts";

/** Opened at once. */
const BATCH = 50;

// Every node warns of what is done to it here.
const logger = createLogger({ level: "error", name: "reconnect" });
const { signal } = stopSignal(logger);
const config: ReconnectConfig = JSON.parse(process.argv[2] ?? "{}");
const { count, seed, natsUrl, keysDir } = config;
const names = Array.from({ length: count }, (_, index) => `node-${100_000 + index}`);
const ca = keysDir === undefined ? undefined : await readKeyFile(keysDir, "nats/ca.crt");
await using connections = new AsyncDisposableStack();
/** Connected, and the broker has answered them on this connection. */
const answered = new Set<string>();
/** Have lost a connection since all were open. */
const lost = new Set<string>();

async function open(name: string, index: number): Promise<void> {
  const random = seededRandom(seed * 100_000 + index);
  const options = { natsUrl, random, logger, ...(await accessOf(name)) };
  const bus = connections.use(nodeBus(name, options));
  const first = Promise.withResolvers<void>();
  bus.onConnectedChange((connected) => {
    if (connected) void greet(name, bus).then(first.resolve);
    else lose(name);
  });
  await first.promise;
}

async function accessOf(name: string): Promise<Pick<NodeBusOptions, "credentials" | "ca">> {
  if (keysDir === undefined || ca === undefined) return {};
  return { ca, credentials: await mintNodeCredentials(keysDir, name) };
}

/** What it throws ends the process: then the figures would be of something else. */
async function greet(name: string, bus: NatsBus): Promise<void> {
  const { kind } = await sayHello(name, bus);
  if (!bus.connected) return;
  if (kind !== "reply" && kind !== "noResponders") throw new Error(`${name}: no answer: ${kind}`);
  answered.add(name);
  if (answered.size === count && lost.size === count) await tell("returned");
}

function lose(name: string): void {
  answered.delete(name);
  lost.add(name);
}

async function tell(milestone: Milestone): Promise<void> {
  const path = milestonePath(config.dir, milestone);
  const at = clock.monotonic();
  await writeFile(`${path}.new`, String(at));
  await rename(`${path}.new`, path);
}

for (let next = 0; next < count; next += BATCH) {
  const batch = names.slice(next, next + BATCH);
  await Promise.all(batch.map((name, index) => open(name, next + index)));
}
lost.clear();
await tell("opened");
await new Promise<void>((resolve) => {
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
});

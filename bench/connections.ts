/** A program: holds many connections to a broker until it is stopped. */
import { connectClient } from "../dev/controlplane/nats-client.ts";
import { mintNodeCredentials, readKeyFile } from "../dev/controlplane/nats-access.ts";
import { stopSignal } from "../src/cli/start.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { CONNECTED, type ConnectionsConfig } from "./connections-config.ts";
import { nodeBus, sayHello } from "./node-bus.ts";

const logger = createLogger({ level: "warn", name: "connections" });
const { signal } = stopSignal(logger);
const config: ConnectionsConfig = JSON.parse(process.argv[2] ?? "{}");
const nodes = Array.from({ length: config.count }, (_, index) => `node-${100_000 + index}`);
const ca = await readKeyFile(config.keysDir, "nats/ca.crt");
await using connections = new AsyncDisposableStack();

async function bare(name: string): Promise<void> {
  const credentials = await mintNodeCredentials(config.keysDir, name);
  const connection = await connectClient(config, { name, credentials });
  connections.defer(() => connection.close());
  await connection.flush();
}

async function node(name: string): Promise<void> {
  const credentials = await mintNodeCredentials(config.keysDir, name);
  const { natsUrl } = config;
  const bus = connections.use(
    nodeBus(name, { natsUrl, credentials, ca, random: Math.random, logger }),
  );
  const connected = new Promise<void>((resolve) => bus.onConnectedChange(() => resolve()));
  if (!bus.connected) await connected;
  await sayHello(name, bus);
}

const open = config.kind === "bare" ? bare : node;
for (const name of nodes) await open(name);
const teller = connections.adopt(await connectClient(config), (connection) => connection.close());
teller.publish(CONNECTED);
await new Promise<void>((resolve) => {
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
});

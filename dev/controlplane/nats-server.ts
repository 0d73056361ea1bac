import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { ComponentSpec } from "./component.ts";
import { probeFirstLine } from "./probes.ts";

export interface NatsServerInput {
  readonly executable: string;
  readonly dir: string;
  /** More configuration, in the server's own format: accounts, authorization, limits. */
  readonly extraConfig: string;
}

export function natsUrl(port: number): string {
  return `nats://127.0.0.1:${port}`;
}

/** The file may be rewritten; SIGHUP makes the server read it again. */
export function natsConfigPath(dir: string): string {
  return join(dir, "nats-server.conf");
}

export async function natsServerSpec(
  input: NatsServerInput,
): Promise<ComponentSpec<"nats-server">> {
  const { executable, dir, extraConfig } = input;
  // Known to this run only, and told to each who connects: it proves whose server answers.
  const name = `steward-${randomUUID()}`;
  const config = natsConfig(name, join(dir, "jetstream"));
  await writeFile(natsConfigPath(dir), `${config}${extraConfig}\n`, { mode: 0o600 });
  return {
    name: "nats-server",
    executable,
    args: (port) => ["--config", natsConfigPath(dir), "--addr", "127.0.0.1", "--port", `${port}`],
    // It listens only after JetStream has recovered its streams.
    isReady: async (port, signal) => {
      const info = await probeFirstLine(port, signal);
      return info?.includes(`"server_name":"${name}"`) ?? false;
    },
  };
}

function natsConfig(name: string, storeDir: string): string {
  return `server_name: ${JSON.stringify(name)}
jetstream {
  store_dir: ${JSON.stringify(storeDir)}
  max_memory_store: 256MB
  max_file_store: 4GB
}
`;
}

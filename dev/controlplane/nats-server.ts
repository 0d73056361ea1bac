import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { ComponentSpec } from "./component.ts";
import { probeFirstLine } from "./probes.ts";

export interface NatsServerInput {
  readonly executable: string;
  readonly dir: string;
  /** Of the key sets; undefined: no TLS, and whoever comes may do anything. */
  readonly keysDir: string | undefined;
  /** More configuration, in the server's own format: accounts, authorization, limits. */
  readonly extraConfig: string;
}

export function natsUrl(port: number, keysDir: string | undefined): string {
  return `${keysDir === undefined ? "nats" : "tls"}://127.0.0.1:${port}`;
}

/** The file may be rewritten; SIGHUP makes the server read it again. */
export function natsConfigPath(dir: string): string {
  return join(dir, "nats-server.conf");
}

/** Where a server in operator mode keeps the JWTs of accounts that it was handed. */
export function accountsDirectory(dir: string): string {
  return join(dir, "nats-accounts");
}

export async function natsServerSpec(
  input: NatsServerInput,
): Promise<ComponentSpec<"nats-server">> {
  const { executable, dir, keysDir, extraConfig } = input;
  // Known to this run only, and told to each who connects: it proves whose server answers.
  const name = `steward-${randomUUID()}`;
  const config = [
    natsConfig(name, join(dir, "jetstream")),
    keysDir === undefined
      ? ""
      : await securityConfig(join(keysDir, "nats"), accountsDirectory(dir)),
    extraConfig,
  ];
  await writeFile(natsConfigPath(dir), `${config.join("\n")}\n`, { mode: 0o600 });
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

/** Operator mode, over TLS. Long enough for all nodes to come back at once on a slow machine: 10 s. */
async function securityConfig(keys: string, accounts: string): Promise<string> {
  const text = async (name: string): Promise<string> => {
    return (await readFile(join(keys, name), "utf8")).trim();
  };
  const path = (name: string): string => JSON.stringify(join(keys, name));
  const systemAccount = await text("system-account.pub");
  return `operator: ${path("operator.jwt")}
system_account: ${systemAccount}
resolver {
  type: full
  dir: ${JSON.stringify(accounts)}
  allow_delete: true
  interval: "2m"
}
resolver_preload {
  ${systemAccount}: ${await text("system-account.jwt")}
  ${await text("fleet-account.pub")}: ${await text("fleet-account.jwt")}
}
tls {
  cert_file: ${path("tls.crt")}
  key_file: ${path("tls.key")}
  timeout: 10
}
authorization { timeout: 10 }
`;
}

import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { readKeyFile } from "../dev/controlplane/nats-access.ts";
import type { AgentSecurity } from "../src/agent/security.ts";
import { parseCommandKeys, publicHalfOf, type CommandKeys } from "../src/identity/command-keys.ts";
import { keyPairOf, newKeyPair, type KeyPair } from "../src/identity/key-pair.ts";
import { newSealingKey } from "../src/identity/sealing.ts";
import { signerOf, trustIn } from "../src/identity/signatures.ts";
import type { Signer, Trust } from "../src/protocol/signature.ts";

/** The keys of nodes by their names, made without anybody enrolling. */
export type NodeKeys = ReadonlyMap<string, KeyPair>;

/** Those of the nodes whose journals are in `dir`: of an earlier fleet there, or `made` now. */
export async function keysOfNodes(
  dir: string,
  nodes: readonly string[],
): Promise<{ readonly keys: NodeKeys; readonly made: boolean }> {
  const file = join(dir, "seeds.json");
  const made = !existsSync(file);
  if (made) {
    const seeds = nodes.map((node) => [node, newKeyPair("user").seed]);
    await mkdir(dir, { recursive: true });
    await writeFile(file, JSON.stringify(Object.fromEntries(seeds)), { mode: 0o600 });
  }
  const seeds: Readonly<Record<string, string>> = JSON.parse(await readFile(file, "utf8"));
  const keys = Object.entries(seeds).map(([node, seed]) => [node, keyPairOf(seed)] as const);
  return { keys: new Map(keys), made };
}

export function keyOf(node: string, keys: NodeKeys): KeyPair {
  const key = keys.get(node);
  if (key === undefined) throw new Error(`${node} has no key`);
  return key;
}

/** Who an agent is that has joined, and whom it believes. */
export async function agentSecurityOf(keysDir: string, key: KeyPair): Promise<AgentSecurity> {
  const { serial, keys } = publicHalfOf(await commandKeys(keysDir));
  return {
    signers: [signerOf(key)],
    trust: trustIn(() => keys),
    sealingKey: newSealingKey(),
    trustSerial: serial,
    learn: async () => undefined,
  };
}

/** As the controller signs. */
export async function controllerSigners(keysDir: string): Promise<readonly Signer[]> {
  return (await commandKeys(keysDir)).pairs.map(signerOf);
}

/** In the controller, as nodes have it. */
export async function controllerTrust(keysDir: string): Promise<Trust> {
  const { keys } = publicHalfOf(await commandKeys(keysDir));
  return trustIn(() => keys);
}

async function commandKeys(keysDir: string): Promise<CommandKeys> {
  return parseCommandKeys(await readKeyFile(keysDir, "controller/command-keys.json"));
}

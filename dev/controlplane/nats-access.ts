import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { encodeNodeJwt } from "../../src/identity/claims.ts";
import type { KeyFile } from "../../src/identity/key-set-layout.ts";
import { keyPairOf, newKeyPair, type KeyPair } from "../../src/identity/key-pair.ts";
import type { NatsCredentials } from "../../src/nats/credentials.ts";

/** What clients of a broker need, from the key sets of its run. */
export interface NatsAccess {
  /** The broker's authority; PEM. */
  readonly ca: string;
  /** Public key of the fleet's account. */
  readonly account: string;
  readonly controller: NatsCredentials;
  /** Of the controller in the system account. */
  readonly system: NatsCredentials;
  /** Of whoever wants to be enrolled. */
  readonly enrollment: NatsCredentials;
}

export async function readNatsAccess(keysDir: string): Promise<NatsAccess> {
  const text = (file: KeyFile): Promise<string> => readKeyFile(keysDir, file);
  return {
    ca: await text("controller/ca.crt"),
    account: await text("nats/fleet-account.pub"),
    controller: await userOf(text("controller/controller.jwt"), text("controller/controller.seed")),
    system: await userOf(text("controller/system.jwt"), text("controller/system.seed")),
    enrollment: { jwt: await text("enrollment/enrollment.jwt") },
  };
}

export type NodeCredentials = Required<NatsCredentials>;

const NODE_LIFE_MS = 86_400_000;

/** Credentials as the controller makes them for a node that it has enrolled; with a new key unless one is given. */
export async function mintNodeCredentials(
  keysDir: string,
  node: string,
  { key = newKeyPair("user"), lifeMs = NODE_LIFE_MS }: { key?: KeyPair; lifeMs?: number } = {},
): Promise<NodeCredentials> {
  const account = await readKeyFile(keysDir, "nats/fleet-account.pub");
  const signer = keyPairOf(await readKeyFile(keysDir, "controller/node-signing.seed"));
  const expiresAt = Date.now() + lifeMs;
  const claims = { node, publicKey: key.publicKey, account, expiresAt };
  return { jwt: await encodeNodeJwt(claims, signer), seed: key.seed };
}

export async function readKeyFile(keysDir: string, file: KeyFile): Promise<string> {
  return (await readFile(join(keysDir, file), "utf8")).trim();
}

async function userOf(jwt: Promise<string>, seed: Promise<string>): Promise<NatsCredentials> {
  return { jwt: await jwt, seed: await seed };
}

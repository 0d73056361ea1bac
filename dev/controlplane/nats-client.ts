import { fromPublic, encodeUser } from "@nats-io/jwt";
import { fromSeed } from "@nats-io/nkeys";
import type { NatsConnection } from "nats";

import { newKeyPair } from "../../src/identity/key-pair.ts";
import type { NatsCredentials } from "../../src/nats/credentials.ts";
import { dial } from "../../src/nats/dial.ts";
import { readKeyFile } from "./nats-access.ts";

/** Where a broker is, and its key sets; undefined if it is insecure. */
export interface BrokerAddress {
  readonly natsUrl: string;
  readonly keysDir: string | undefined;
}

export interface ClientOptions {
  readonly name?: string;
  /** Of a user who may do anything in the fleet's account, unless told. */
  readonly credentials?: NatsCredentials;
}

const PING_INTERVAL_MS = 120_000;
const DIAL_TIMEOUT_MS = 20_000;

/** The client of NATS itself, which does not come back when its connection breaks. */
export async function connectClient(
  { natsUrl, keysDir }: BrokerAddress,
  { name = "client", credentials }: ClientOptions = {},
): Promise<NatsConnection> {
  const ca = keysDir === undefined ? undefined : await readKeyFile(keysDir, "nats/ca.crt");
  const own = keysDir === undefined ? undefined : (credentials ?? (await mintStranger(keysDir)));
  const options = {
    name,
    inbox: `_INBOX_${name}`,
    credentials: () => own,
    ca: () => ca,
    pingIntervalMs: PING_INTERVAL_MS,
    dialTimeoutMs: DIAL_TIMEOUT_MS,
  };
  return dial(natsUrl, options, new AbortController().signal);
}

/** A user whom nothing in the fleet's account is denied: Steward has none such. */
async function mintStranger(keysDir: string): Promise<NatsCredentials> {
  const account = fromSeed(Buffer.from(await readKeyFile(keysDir, "identity/fleet-account.seed")));
  const { publicKey, seed } = newKeyPair("user");
  return { jwt: await encodeUser("stranger", fromPublic(publicKey), account), seed };
}

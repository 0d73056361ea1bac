import { encodeUser, fromPublic, fromSeed, type User } from "@nats-io/jwt";
import { connect, type NatsConnection } from "nats";
import { readKeyFile, type NatsAccess } from "../../dev/controlplane/nats-access.ts";
import { keyPairOf, type KeyPair } from "../../src/identity/key-pair.ts";
import { authenticatorOf, type NatsCredentials } from "../../src/nats/credentials.ts";

/** Where a broker is, and how one knows it. */
export interface BrokerAddress {
  readonly url: string;
  readonly ca: string;
}

/** A connection as an attacker would make it, without anything of ours. Rejects if the broker does not want it. */
export function connectAs(
  { url, ca }: BrokerAddress,
  credentials: NatsCredentials | undefined,
  inbox = "_INBOX",
): Promise<NatsConnection> {
  // The client does not tell Node the address that the certificate is to be for.
  const tls = { ca, host: "127.0.0.1" };
  return connect({
    servers: url.replace(/^tls:\/\//, ""),
    tls,
    ...(credentials === undefined ? {} : { authenticator: authenticatorOf(credentials) }),
    inboxPrefix: inbox,
    reconnect: false,
  });
}

/** A user that may do everything in the fleet's account, as the broker itself may. */
export async function mintMaster(keysDir: string, key: KeyPair): Promise<NatsCredentials> {
  const account = fromSeed(Buffer.from(await readKeyFile(keysDir, "identity/fleet-account.seed")));
  const rights: Partial<User> = {
    pub: { allow: [">"], deny: [] },
    sub: { allow: [">"], deny: [] },
  };
  return {
    jwt: await encodeUser("broker", fromPublic(key.publicKey), account, rights),
    seed: key.seed,
  };
}

/** The broker in an attacker's hands: hears and says everything in the fleet's account. */
export async function connectMaster(
  keysDir: string,
  url: string,
  { ca }: Pick<NatsAccess, "ca">,
): Promise<NatsConnection> {
  // With the controller's key: users whom the controller does not know it throws out.
  const key = keyPairOf(await readKeyFile(keysDir, "controller/controller.seed"));
  return connectAs({ url, ca }, await mintMaster(keysDir, key));
}

/** What the broker refuses a connection, as it says it. */
export function refusalsOf(connection: NatsConnection): string[] {
  const refusals: string[] = [];
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === "error") refusals.push(status.error.message);
    }
  })();
  return refusals;
}

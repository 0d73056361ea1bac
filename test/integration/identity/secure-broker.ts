import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { connect, jwtAuthenticator, type NatsConnection } from "nats";

import { startNatsServer } from "../../../dev/controlplane/control-plane.ts";
import { createFileKeyStore } from "../../../src/cli/key-store-files.ts";
import { encodeNodeJwt } from "../../../src/identity/claims.ts";
import { keyPairOf, newKeyPair, type KeyPair } from "../../../src/identity/key-pair.ts";
import { KEY_SET_NAMES, type KeyFile } from "../../../src/identity/key-set-layout.ts";
import { completeKeySets } from "../../../src/identity/key-sets.ts";

export interface SecureBroker extends AsyncDisposable {
  /** The text of a file of the key sets. */
  text(file: KeyFile): string;
  key(file: KeyFile): KeyPair;
  /** With a JWT and the key that it is about; a bearer's without a key. */
  connect(who: User): Promise<NatsConnection>;
  connectController(): Promise<NatsConnection>;
  connectSystem(): Promise<NatsConnection>;
  /** With a JWT as the controller mints it. */
  connectNode(node: string, keys?: KeyPair): Promise<NatsConnection>;
}

export interface User {
  readonly jwt: string;
  readonly keys?: KeyPair;
  readonly inbox: string;
}

/** A nats-server in operator mode with TLS, with key sets as `steward bootstrap` makes them. */
export async function startSecureBroker(): Promise<SecureBroker> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "steward-keys-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const store = createFileKeyStore(directory);
  await store.write(
    await completeKeySets(await store.read(KEY_SET_NAMES), {
      now: Date.now(),
      serverNames: ["127.0.0.1"],
    }),
  );
  const files = await store.read(KEY_SET_NAMES);
  const text = (file: KeyFile): string => (files.get(file) ?? "").trim();
  const key = (file: KeyFile): KeyPair => keyPairOf(text(file));
  const server = stack.use(
    await startNatsServer({
      natsConfig: `
operator: ${JSON.stringify(text("nats/operator.jwt"))}
system_account: ${text("nats/system-account.pub")}
resolver { type: full, dir: ${JSON.stringify(join(directory, "resolver"))} }
resolver_preload {
  ${text("nats/system-account.pub")}: ${JSON.stringify(text("nats/system-account.jwt"))}
  ${text("nats/fleet-account.pub")}: ${JSON.stringify(text("nats/fleet-account.jwt"))}
}
tls {
  cert_file: ${JSON.stringify(join(directory, "nats/tls.crt"))}
  key_file: ${JSON.stringify(join(directory, "nats/tls.key"))}
}
`,
    }),
  );
  // The client does not tell Node the address that the certificate is to be for.
  const tls = { ca: text("enrollment/ca.crt"), host: "127.0.0.1" };
  const open = async ({ jwt, keys, inbox }: User): Promise<NatsConnection> =>
    connect({
      servers: server.url,
      tls,
      authenticator: jwtAuthenticator(jwt, keys === undefined ? undefined : Buffer.from(keys.seed)),
      inboxPrefix: inbox,
      reconnect: false,
    });
  const all = stack.move();
  return {
    text,
    key,
    connect: open,
    connectController: () =>
      open({
        jwt: text("controller/controller.jwt"),
        keys: key("controller/controller.seed"),
        inbox: "_INBOX_CONTROLLER",
      }),
    connectSystem: () =>
      open({
        jwt: text("controller/system.jwt"),
        keys: key("controller/system.seed"),
        inbox: "_INBOX_CONTROLLER",
      }),
    connectNode: async (node, keys = newKeyPair("user")) => {
      const claims = {
        node,
        publicKey: keys.publicKey,
        account: text("nats/fleet-account.pub"),
        expiresAt: Date.now() + 3_600_000,
      };
      const jwt = await encodeNodeJwt(claims, key("controller/node-signing.seed"));
      return open({ jwt, keys, inbox: `_INBOX_${node}` });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
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

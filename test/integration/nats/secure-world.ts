import { startNatsServer, type NatsServer } from "../../../dev/controlplane/control-plane.ts";
import {
  mintNodeCredentials,
  readKeyFile,
  readNatsAccess,
  type NatsAccess,
} from "../../../dev/controlplane/nats-access.ts";
import { encodeFleetAccountJwt } from "../../../src/identity/claims.ts";
import { keyPairOf, type KeyPair } from "../../../src/identity/key-pair.ts";
import { readJwt } from "../../../src/identity/user-jwt.ts";
import { NatsAccount } from "../../../src/nats/account.ts";
import type { ConnectBusOptions } from "../../../src/nats/connect-bus.ts";
import type { NatsCredentials } from "../../../src/nats/credentials.ts";
import { CONTROLLER_INBOX, ENROLLMENT_INBOX, nodeInbox } from "../../../src/protocol/subjects.ts";
import { openBus, type TestBus } from "./world.ts";

type Options = Partial<ConnectBusOptions>;
type Minting = Parameters<typeof mintNodeCredentials>[2];

/** A broker in operator mode with TLS, and the keys that are needed to be anybody on it. */
export class SecureBroker implements AsyncDisposable {
  readonly server: NatsServer;
  readonly access: NatsAccess;
  readonly keysDir: string;
  /** Public keys that sign users' JWTs. */
  readonly issuers: readonly string[];

  static async start(natsConfig = ""): Promise<SecureBroker> {
    const server = await startNatsServer({ natsConfig });
    const { keysDir = "" } = server;
    const access = await readNatsAccess(keysDir);
    const nodeSigning = keyPairOf(await readKeyFile(keysDir, "controller/node-signing.seed"));
    return new SecureBroker(server, keysDir, access, [access.account, nodeSigning.publicKey]);
  }

  private constructor(
    server: NatsServer,
    keysDir: string,
    access: NatsAccess,
    issuers: readonly string[],
  ) {
    this.server = server;
    this.keysDir = keysDir;
    this.access = access;
    this.issuers = issuers;
  }

  /** A bus with the broker's authority. */
  open(credentials: () => NatsCredentials, options: Options = {}): TestBus {
    return openBus(this.server.url, { credentials, ca: () => this.access.ca, ...options });
  }

  controller(): TestBus {
    return this.open(() => this.access.controller, { inbox: CONTROLLER_INBOX });
  }

  enrollment(): TestBus {
    return this.open(() => this.access.enrollment, { inbox: ENROLLMENT_INBOX });
  }

  system(): TestBus {
    return this.open(() => this.access.system, { inbox: CONTROLLER_INBOX });
  }

  node(name: string, credentials: () => NatsCredentials, options: Options = {}): TestBus {
    return this.open(credentials, { inbox: nodeInbox(name), ...options });
  }

  mint(name: string, minting?: Minting): Promise<NatsCredentials> {
    return mintNodeCredentials(this.keysDir, name, minting);
  }

  account(
    bus: TestBus,
    options: { readonly pageSize?: number; readonly issuers?: readonly string[] } = {},
  ): NatsAccount {
    const { issuers } = this;
    return new NatsAccount({ bus, account: this.access.account, issuers, ...options });
  }

  /** The fleet account's JWT in which these have been revoked, at the times (Unix, seconds) that stand there. */
  async accountJwt(revocations: Readonly<Record<string, number>>): Promise<string> {
    const key = async (name: "operator-signing" | "node-signing"): Promise<KeyPair> =>
      keyPairOf(await readKeyFile(this.keysDir, `controller/${name}.seed`));
    const nodeSigningKey = (await key("node-signing")).publicKey;
    const claims = { account: this.access.account, nodeSigningKey, revocations };
    return encodeFleetAccountJwt(claims, await key("operator-signing"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

/** What revokes these credentials and all that were issued for the same key before. */
export function revocationOf({ jwt }: NatsCredentials): Readonly<Record<string, number>> {
  const { subject, issuedAt } = readJwt(jwt);
  return { [subject]: issuedAt / 1_000 };
}

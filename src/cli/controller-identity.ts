import type { FleetAccount, IdentityPorts, NodeCredentials } from "../controller/identity/ports.ts";
import { isSameAccount, revocationsIn } from "../identity/account-jwt.ts";
import { encodeFleetAccountJwt, encodeNodeJwt } from "../identity/claims.ts";
import { isJwtBy, readJwt } from "../identity/user-jwt.ts";
import type { Transport } from "../kubernetes/transport.ts";
import { NatsAccount } from "../nats/account.ts";
import type { NatsBus } from "../nats/connect-bus.ts";
import { systemClock } from "../runtime/clock.ts";
import type { ControllerKeys, FollowedKeys } from "./controller-keys.ts";
import { createRevocationStore } from "./revocation-store.ts";

export interface ControllerIdentityOptions {
  readonly keys: FollowedKeys;
  /** A connection in the system account. */
  readonly systemBus: Pick<NatsBus, "request" | "requestMany">;
  readonly transport: Pick<Transport, "request">;
  /** Where what is revoked is on record. */
  readonly namespace: string;
  readonly lifetimeMs: number;
}

/** The keys of a controller as what gives nodes their credentials and takes them. */
export function controllerIdentity(options: ControllerIdentityOptions): IdentityPorts {
  const { keys, systemBus, transport, namespace, lifetimeMs } = options;
  return {
    credentials: nodeCredentials(keys),
    account: fleetAccount(keys, systemBus),
    revocations: createRevocationStore(transport, namespace),
    lifetimeMs,
  };
}

function nodeCredentials(keys: FollowedKeys): NodeCredentials {
  return {
    mint: async (claims) => {
      const { account, nodeSigning } = keys.current;
      const jwt = await encodeNodeJwt({ ...claims, account }, nodeSigning);
      return { jwt, issuedAt: readJwt(jwt).issuedAt };
    },
    now: () => systemClock.now(),
  };
}

function fleetAccount(
  keys: FollowedKeys,
  bus: ControllerIdentityOptions["systemBus"],
): FleetAccount {
  const broker = (): NatsAccount => {
    const { account, nodeSigning } = keys.current;
    return new NatsAccount({ bus, account, issuers: [account, nodeSigning.publicKey] });
  };
  return {
    get ownUsers() {
      return keys.current.ownUsers;
    },
    pushed: async () => {
      const jwt = await broker().lookup();
      const { publicKey } = keys.current.operatorSigning;
      // What no controller has signed may say anything, for instance that everybody is revoked.
      if (jwt === undefined || !isJwtBy([publicKey], jwt)) return { revokedAt: {}, isOurs: false };
      const isOurs = isSameAccount(jwt, await accountJwt(keys.current, {}));
      return { revokedAt: revocationsIn(jwt), isOurs };
    },
    push: async (revokedAt) => broker().push(await accountJwt(keys.current, revokedAt)),
    connectedUsers: () => broker().connectedUsers(),
  };
}

function accountJwt(
  { account, nodeSigning, operatorSigning }: ControllerKeys,
  revocations: Readonly<Record<string, number>>,
): Promise<string> {
  const claims = { account, nodeSigningKey: nodeSigning.publicKey, revocations };
  return encodeFleetAccountJwt(claims, operatorSigning);
}

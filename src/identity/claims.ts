import {
  encodeAccount,
  encodeOperator,
  encodeUser,
  fromPublic,
  newScopedSigner,
  type OperatorLimits,
  type KeyPair as NatsKeyPair,
} from "@nats-io/jwt";
import { isSignedBy, type KeyPair } from "./key-pair.ts";
import { LABEL } from "./label.ts";
import {
  CONTROLLER_GRANT,
  ENROLLMENT_GRANT,
  NODE_GRANT,
  systemGrant,
  type UserGrant,
} from "./node-permissions.ts";

/**
 * The JWTs of a broker in operator mode: the operator vouches for accounts, an account for users. All keys are nkeys
 * (key-pair.ts). The time of issue is the machine's, as everything of the library's.
 */

export interface OperatorClaims {
  readonly operator: KeyPair;
  /** Public keys that sign for the operator; one of them is the controller's. */
  readonly signingKeys: readonly string[];
  /** Public key. */
  readonly systemAccount: string;
}

export interface FleetAccountClaims {
  /** Public key of the account: its seed is not needed. */
  readonly account: string;
  /** Public key that may sign the JWTs of nodes, and of nobody else. */
  readonly nodeSigningKey: string;
  /**
   * By a user's public key the Unix time, in seconds: its JWTs that were issued then or before are void, and
   * connections that came in with them are dropped.
   */
  readonly revocations: Readonly<Record<string, number>>;
}

export interface NodeClaims {
  /** The node's name: a DNS label. */
  readonly node: string;
  /** Of the node. */
  readonly publicKey: string;
  /** Public key of the fleet's account. */
  readonly account: string;
  /** Unix time in milliseconds; whole seconds count. */
  readonly expiresAt: number;
}

const UNLIMITED = -1;
const ACCOUNT_LIMITS: OperatorLimits = {
  conn: UNLIMITED,
  subs: UNLIMITED,
  data: UNLIMITED,
  payload: UNLIMITED,
  wildcards: true,
  // Nobody needs these, so nobody has them.
  leaf: 0,
  imports: 0,
  exports: 0,
};
const SYSTEM_ACCOUNT_LIMITS: OperatorLimits = {
  ...ACCOUNT_LIMITS,
  // What the broker itself brings into its system account counts.
  imports: UNLIMITED,
  exports: UNLIMITED,
  disallow_bearer: true,
};

/** Signed by the operator itself. */
export function encodeOperatorJwt(claims: OperatorClaims): Promise<string> {
  return encodeOperator("steward", nkeyOf(claims.operator), {
    signing_keys: [...claims.signingKeys],
    system_account: claims.systemAccount,
  });
}

/** `signer` is the operator or one of its signing keys. */
export function encodeSystemAccountJwt(account: string, signer: KeyPair): Promise<string> {
  return encodeAccount(
    "SYS",
    fromPublic(account),
    { limits: SYSTEM_ACCOUNT_LIMITS },
    { signer: nkeyOf(signer) },
  );
}

/** `signer` is the operator or one of its signing keys: nothing of the account's own is needed. */
export function encodeFleetAccountJwt(
  claims: FleetAccountClaims,
  signer: KeyPair,
): Promise<string> {
  const { account, nodeSigningKey, revocations } = claims;
  return encodeAccount(
    "STEWARD",
    fromPublic(account),
    {
      limits: ACCOUNT_LIMITS,
      signing_keys: [newScopedSigner(fromPublic(nodeSigningKey), "node", NODE_GRANT)],
      revocations: { ...revocations },
    },
    { signer: nkeyOf(signer) },
  );
}

/** The controller as a user of the fleet's account, which signs it. Does not expire. */
export function encodeControllerJwt(publicKey: string, account: KeyPair): Promise<string> {
  return encodeGrantedUser("steward-controller", publicKey, account, CONTROLLER_GRANT);
}

/** The controller as a user of the system account, which signs it. Does not expire. */
export function encodeSystemUserJwt(
  publicKey: string,
  systemAccount: KeyPair,
  fleetAccount: string,
): Promise<string> {
  return encodeGrantedUser("steward-system", publicKey, systemAccount, systemGrant(fleetAccount));
}

/** A bearer of the fleet's account, which signs it: who has it needs no key. Does not expire. */
export function encodeEnrollmentJwt(publicKey: string, account: KeyPair): Promise<string> {
  const grant = { ...ENROLLMENT_GRANT, bearer_token: true };
  return encodeGrantedUser("steward-enrollment", publicKey, account, grant);
}

/**
 * What a node connects with; `signer` is the account's scoped key for nodes. All that the node may do is in the
 * account's JWT, under that key. Throws a RangeError for what is no name of a node: it is put into subjects.
 */
export async function encodeNodeJwt(claims: NodeClaims, signer: KeyPair): Promise<string> {
  const { node, publicKey, account, expiresAt } = claims;
  if (!LABEL.test(node)) throw new RangeError(`"${node}" is not a node name`);
  return encodeUser(
    node,
    fromPublic(publicKey),
    fromPublic(account),
    {},
    { scopedUser: true, signer: nkeyOf(signer), exp: Math.floor(expiresAt / 1_000) },
  );
}

function encodeGrantedUser(
  name: string,
  publicKey: string,
  account: KeyPair,
  grant: UserGrant & { readonly bearer_token?: boolean },
): Promise<string> {
  // The library writes the issuer and the version into what it is given.
  return encodeUser(name, fromPublic(publicKey), nkeyOf(account), structuredClone(grant));
}

/** The key as the library wants it, with node's arithmetic instead of the library's, which is 600 times slower. */
function nkeyOf(pair: KeyPair): NatsKeyPair {
  return {
    getPublicKey: () => pair.publicKey,
    // Asked for to see that there is one.
    getPrivateKey: () => Buffer.from(pair.seed, "ascii"),
    getSeed: () => Buffer.from(pair.seed, "ascii"),
    sign: (bytes) => pair.sign(bytes),
    verify: (bytes, signature) => isSignedBy(pair.publicKey, bytes, signature),
    clear: () => undefined,
    seal: refuse,
    open: refuse,
  };
}

function refuse(): never {
  throw new TypeError("a key that signs does not encrypt");
}

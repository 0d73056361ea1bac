import type { EdgeNode } from "../../api/v1alpha1/edgenode.ts";
import { keyOf } from "../node-security.ts";
import type { ConnectedUser, RevokedAt, Revocation, Revocations } from "./ports.ts";

/** A key that is to be void, and when the last JWT that is known of it expires: Unix time in milliseconds. */
export interface Unwanted {
  readonly publicKey: string;
  readonly expiresAt: number | undefined;
}

export interface RevocationMoment {
  /** Of the clock that JWTs are issued by: Unix time in milliseconds. */
  readonly now: number;
  /** How long JWTs are good. */
  readonly lifetimeMs: number;
}

/** The broker's clock may be behind that much. */
const MARGIN_MS = 3_600_000;
/** One that was made so lately is still on its way to the broker. */
const UNDER_WAY_MS = 30_000;

/** The keys that got credentials and are not, or not any more, those of their EdgeNode. */
export function unwantedOf(nodes: Iterable<EdgeNode>): readonly Unwanted[] {
  return [...nodes].flatMap((node) => {
    const { identity } = node.status;
    if (identity === undefined || identity.publicKey === keyOf(node)) return [];
    return [unwantedIdentity(identity)];
  });
}

/**
 * Of an EdgeNode that is gone: what it had. A key that it named and that never proved itself as its node may be another
 * node's: who writes that into an EdgeNode and deletes it shuts out nobody.
 */
export function unwantedOfDeleted({ status: { identity } }: EdgeNode): readonly Unwanted[] {
  return identity === undefined ? [] : [unwantedIdentity(identity)];
}

export function unwantedIdentity(identity: NonNullable<EdgeNode["status"]["identity"]>): Unwanted {
  const { publicKey, credentialsExpire } = identity;
  const expiresAt = credentialsExpire === undefined ? undefined : Date.parse(credentialsExpire);
  return { publicKey, expiresAt };
}

/** Who is connected and is no node that there is, nor one of `ownUsers`. `keyOfNode` tells the key of a name. */
export function strangersAmong(
  users: readonly ConnectedUser[],
  ownUsers: readonly string[],
  keyOfNode: (name: string) => string | undefined,
): readonly string[] {
  const own = new Set(ownUsers);
  const strangers = users.filter(
    ({ publicKey, name }) =>
      !own.has(publicKey) && (name === undefined || keyOfNode(name) !== publicKey),
  );
  return [...new Set(strangers.map(({ publicKey }) => publicKey))];
}

/** Whether all JWTs of a key are void: none was issued since it was revoked. */
export function isRevoked(revocations: Revocations, publicKey: string): boolean {
  const revocation = revocations.get(publicKey);
  return revocation !== undefined && revocation.isReissued !== true;
}

/** Those that are not revoked are, now. The same map if there are none. */
export function withRevoked(
  revocations: Revocations,
  unwanted: readonly Unwanted[],
  moment: RevocationMoment,
): Revocations {
  return revoked(
    revocations,
    unwanted.filter(({ publicKey }) => !isRevoked(revocations, publicKey)),
    moment,
  );
}

/** Who is connected although they may not be: revoked anew, unless that was done just now. */
export function withStrangers(
  revocations: Revocations,
  publicKeys: readonly string[],
  moment: RevocationMoment,
): Revocations {
  const due = publicKeys.filter((key) => {
    const revokedAt = revocations.get(key)?.revokedAt ?? 0;
    return moment.now - revokedAt * 1_000 >= UNDER_WAY_MS;
  });
  return revoked(
    revocations,
    due.map((publicKey) => ({ publicKey, expiresAt: undefined })),
    moment,
  );
}

function revoked(
  revocations: Revocations,
  unwanted: readonly Unwanted[],
  { now, lifetimeMs }: RevocationMoment,
): Revocations {
  if (unwanted.length === 0) return revocations;
  const added = unwanted.map(({ publicKey, expiresAt }): [string, Revocation] => {
    const before = revocations.get(publicKey)?.until ?? 0;
    const until = Math.max(expiresAt ?? now + lifetimeMs, before);
    return [publicKey, { revokedAt: Math.floor(now / 1_000), until }];
  });
  return new Map([...revocations, ...added]);
}

/** The key gets a new JWT; those before stay void. The same map if it is not revoked. */
export function withReissued(revocations: Revocations, publicKey: string): Revocations {
  const revocation = revocations.get(publicKey);
  if (revocation === undefined || revocation.isReissued === true) return revocations;
  return new Map([...revocations, [publicKey, { ...revocation, isReissued: true }]]);
}

/**
 * What the broker has revoked and the own record does not know of is kept: the record was lost, or another controller
 * of the same broker has revoked it.
 */
export function withPushed(
  revocations: Revocations,
  pushed: RevokedAt,
  { now, lifetimeMs }: RevocationMoment,
): Revocations {
  const foreign = Object.entries(pushed)
    .filter(([key, revokedAt]) => revokedAt > (revocations.get(key)?.revokedAt ?? 0))
    .map(([key, revokedAt]): [string, Revocation] => {
      const until = Math.max(revokedAt * 1_000 + lifetimeMs, revocations.get(key)?.until ?? 0);
      return [key, { revokedAt, until }];
    })
    .filter(([, revocation]) => isNeeded(revocation, now));
  return foreign.length === 0 ? revocations : new Map([...revocations, ...foreign]);
}

/** Without those whose JWTs have all expired. The same map if there are none. */
export function withoutExpired(revocations: Revocations, now: number): Revocations {
  const needed = [...revocations].filter(([, revocation]) => isNeeded(revocation, now));
  return needed.length === revocations.size ? revocations : new Map(needed);
}

function isNeeded({ until }: Revocation, now: number): boolean {
  return until + MARGIN_MS > now;
}

export function revokedAtOf(revocations: Revocations): RevokedAt {
  return Object.fromEntries([...revocations].map(([key, { revokedAt }]) => [key, revokedAt]));
}

/** Whether the broker does not have one of them, or an earlier one. */
export function isBehind(pushed: RevokedAt, revocations: Revocations): boolean {
  return [...revocations].some(([key, { revokedAt }]) => (pushed[key] ?? 0) < revokedAt);
}

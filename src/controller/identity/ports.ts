import type { EnrollRefusal } from "../../protocol/enroll.ts";

/** By a user's public key the Unix time, in seconds: its JWTs that were issued then or before are void. */
export type RevokedAt = Readonly<Record<string, number>>;

/** Makes the credentials of nodes. */
export interface NodeCredentials {
  /** A JWT for the broker; `expiresAt` and `issuedAt` are Unix times in milliseconds. */
  mint(claims: {
    readonly node: string;
    readonly publicKey: string;
    readonly expiresAt: number;
  }): Promise<{ readonly jwt: string; readonly issuedAt: number }>;
  /** The time of the clock that JWTs are issued by: Unix time in milliseconds. */
  now(): number;
}

/** A user with a connection to the broker; a node's name is that of its JWT. */
export interface ConnectedUser {
  readonly publicKey: string;
  readonly name: string | undefined;
}

/** The account of all nodes, at the broker. All of it throws while the broker cannot be asked. */
export interface FleetAccount {
  /** Who in it is no node: the controller itself, and who has yet to enroll. */
  readonly ownUsers: readonly string[];
  /** What the broker has revoked; `isOurs` is false if the account's JWT is to be pushed for another reason. */
  pushed(): Promise<{ readonly revokedAt: RevokedAt; readonly isOurs: boolean }>;
  /** From here on these are revoked, and their connections are gone. */
  push(revokedAt: RevokedAt): Promise<void>;
  connectedUsers(): Promise<readonly ConnectedUser[]>;
}

/** A key whose JWTs are void. */
export interface Revocation {
  /** Unix time in seconds: those that were issued then or before. */
  readonly revokedAt: number;
  /** Unix time in milliseconds: by then the last of them has expired. */
  readonly until: number;
  /** The key was given a JWT since, which is good. */
  readonly isReissued?: boolean;
}

/** By public key. */
export type Revocations = ReadonlyMap<string, Revocation>;

/** Where they outlive the controller. */
export interface RevocationStore {
  load(): Promise<Revocations>;
  save(revocations: Revocations): Promise<void>;
}

/** What a controller needs to enroll nodes, and to throw them out. */
export interface IdentityPorts {
  readonly credentials: NodeCredentials;
  readonly account: FleetAccount;
  readonly revocations: RevocationStore;
  /** How long a node's JWT is good. */
  readonly lifetimeMs: number;
}

/** What is told of this, for metrics. Never throws. */
export interface IdentityRecorder {
  /** A message came on this subject that is not signed by who may speak there. */
  distrusted(subject: string): void;
  enrolled(): void;
  enrollmentRefused(reason: EnrollRefusal): void;
  /** What is revoked could not be handed to the broker. */
  revocationFailed(): void;
}

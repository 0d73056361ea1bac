import type { EdgeNode } from "../../api/v1alpha1/edgenode.ts";
import type { Enroll, EnrollReply } from "../../protocol/enroll.ts";
import { timestampOf, type Clock } from "../../runtime/clock.ts";
import { errorMessage } from "../../runtime/errors.ts";
import type { Logger } from "../../runtime/logger.ts";
import { NoticeLog } from "../../runtime/notice-log.ts";
import type { NodeDirectory } from "../edgenode/directory.ts";
import type { EventRecorder, NodeStore, StoreErrors } from "../ports.ts";
import type { Rejections } from "../rejections.ts";
import type { CommandKeys } from "../security.ts";
import { decideEnrollment, type EnrollDecision, type EnrollRefused } from "./enrollment.ts";
import type { IdentityPorts, IdentityRecorder } from "./ports.ts";
import { unwantedIdentity } from "./revocations.ts";
import type { Revoker } from "./revoker.ts";

export interface EnrollerOptions extends Pick<IdentityPorts, "credentials" | "lifetimeMs"> {
  readonly nodes: NodeStore;
  readonly errors: StoreErrors;
  readonly directory: NodeDirectory;
  readonly revoker: Pick<Revoker, "revoke" | "reissue">;
  readonly commandKeys: () => CommandKeys;
  readonly clusterID: string;
  /** Asked before every write. */
  readonly mayAct: () => boolean;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly rejections: Pick<Rejections, "tell">;
  readonly logger: Logger;
  readonly recorder?: Pick<IdentityRecorder, "enrolled" | "enrollmentRefused"> | undefined;
}

/** The EdgeNode was changed meanwhile, by a person or by another request: it is decided anew. */
const TRIES = 4;
/** JWTs are dated in whole seconds. */
const SECOND_MS = 1_000;

/** For so long who asks again is given the same: a minute, and no great part of its life. */
const AGAIN_MS = 60_000;
const AGAIN_PART = 0.01;

/** Credentials that a key was given; Unix times in milliseconds. */
interface Issued {
  readonly jwt: string;
  /** As the JWT says. */
  readonly issuedAt: number;
  readonly at: number;
  readonly expiresAt: number;
  /** Of the EdgeNode. */
  readonly uid: string;
  /** When that was, on the monotonic clock. */
  readonly monotonic: number;
}

export interface SignedEnroll {
  readonly request: Enroll;
  readonly signedBy: ReadonlySet<string>;
}

/**
 * Gives nodes their credentials.
 *
 * GUARANTEES
 * - A token is used up by the same write that names the node's key: two keys cannot share one.
 * - The EdgeNode names the key that a JWT is for, and when it expires, before anybody gets that JWT; and a key that
 *   it named before is revoked before that.
 */
export class Enroller {
  readonly #options: EnrollerOptions;
  /** Whoever likes can ask, and have it fail: each failure is logged once. */
  readonly #notices: NoticeLog;
  /** What each key was given lately, the longest ago first. */
  readonly #issued = new Map<string, Issued>();

  constructor(options: EnrollerOptions) {
    this.#options = options;
    this.#notices = new NoticeLog(options.logger);
  }

  /** Never rejects. */
  async enroll(signed: SignedEnroll): Promise<EnrollReply> {
    try {
      return await this.#decideAndAct(signed);
    } catch (thrown) {
      this.#notices.note(signed.request.node, errorMessage(thrown), "enrolling failed");
      return this.#refuse(signed, UNAVAILABLE);
    }
  }

  async #decideAndAct(signed: SignedEnroll): Promise<EnrollReply> {
    const { nodes, errors, mayAct } = this.#options;
    const { namespace, node: name } = signed.request;
    for (let tries = 0; tries < TRIES && mayAct(); tries += 1) {
      const live = await this.#live(namespace, name);
      if (live !== undefined) this.#options.directory.observe(live);
      const decision = this.#decide(signed, live);
      if (decision.kind === "refused" || live === undefined) {
        return this.#refuse(signed, decision.kind === "refused" ? decision : UNAVAILABLE);
      }
      try {
        const isKnown = decision.kind === "known";
        const node = isKnown ? live : await nodes.updateSpec(live, decision.spec);
        return await this.#issue(node, signed.request.publicKey);
      } catch (thrown) {
        if (!errors.isConflict(thrown) && !errors.isNotFound(thrown)) throw thrown;
      }
    }
    return this.#refuse(signed, UNAVAILABLE);
  }

  /** A namespace that is not there has no EdgeNode. */
  async #live(namespace: string, name: string): Promise<EdgeNode | undefined> {
    const { nodes, errors } = this.#options;
    try {
      return await nodes.getLive(namespace, name);
    } catch (thrown) {
      if (errors.isNotFound(thrown)) return undefined;
      throw thrown;
    }
  }

  #decide({ request, signedBy }: SignedEnroll, node: EdgeNode | undefined): EnrollDecision {
    const { directory, clock } = this.#options;
    const owner = directory.owner(request.node);
    const isTaken = owner !== undefined && owner.metadata.namespace !== request.namespace;
    return decideEnrollment({ request, signedBy, node, isTaken, now: clock.now() });
  }

  async #issue(node: EdgeNode, publicKey: string): Promise<EnrollReply> {
    const { revoker, clock, clusterID, commandKeys, recorder } = this.#options;
    const { identity } = node.status;
    if (identity !== undefined && identity.publicKey !== publicKey) {
      await revoker.revoke(unwantedIdentity(identity));
    }
    const revokedAt = await revoker.reissue(publicKey);
    const issued =
      this.#issuedLately(node, publicKey, revokedAt) ??
      (await this.#issueAnew(node, publicKey, revokedAt));
    recorder?.enrolled();
    return {
      enrolled: true,
      time: timestampOf(clock.now()),
      clusterID,
      jwt: issued.jwt,
      issuedAt: timestampOf(issued.at),
      expiresAt: timestampOf(issued.expiresAt),
      commandKeys: commandKeys().set,
    };
  }

  /** Who asks without end, or has a request repeated, has nothing made and nothing written by that. */
  #issuedLately(node: EdgeNode, publicKey: string, revokedAt: number): Issued | undefined {
    const { clock, lifetimeMs } = this.#options;
    const againMs = Math.min(AGAIN_MS, lifetimeMs * AGAIN_PART);
    const now = clock.monotonic();
    for (const [key, { monotonic }] of this.#issued) {
      if (now - monotonic < againMs) break;
      this.#issued.delete(key);
    }
    const issued = this.#issued.get(publicKey);
    if (issued?.uid !== node.metadata.uid || secondOf(issued.issuedAt) <= revokedAt)
      return undefined;
    return node.status.identity?.publicKey === publicKey ? issued : undefined;
  }

  async #issueAnew(node: EdgeNode, publicKey: string, revokedAt: number): Promise<Issued> {
    const { nodes, clock, lifetimeMs, logger } = this.#options;
    const { identity } = node.status;
    const isSame = identity?.publicKey === publicKey;
    const at = clock.now();
    const expiresAt = at + lifetimeMs;
    const { name, uid } = node.metadata;
    const minted = await this.#mint({ node: name, publicKey, expiresAt }, revokedAt);
    await nodes.updateStatus(node, {
      ...node.status,
      identity: {
        ...(isSame ? identity : { publicKey }),
        credentialsExpire: timestampOf(Math.max(expiresAt, isSame ? expiryOf(identity) : 0)),
      },
    });
    const issued = { ...minted, uid, at, expiresAt, monotonic: clock.monotonic() };
    this.#issued.delete(publicKey);
    this.#issued.set(publicKey, issued);
    if (!isSame) this.#tellOf(node);
    logger.info(
      { node: name, publicKey, expiresAt: timestampOf(expiresAt) },
      "node got credentials",
    );
    return issued;
  }

  /** Issued after whatever of this key was revoked. */
  async #mint(
    claims: { node: string; publicKey: string; expiresAt: number },
    revokedAt: number,
  ): Promise<{ jwt: string; issuedAt: number }> {
    const { credentials, clock } = this.#options;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const minted = await credentials.mint(claims);
      if (secondOf(minted.issuedAt) > revokedAt) return minted;
      await clock.sleep(SECOND_MS);
    }
    throw new Error("the clock that JWTs are issued by is behind the revocation of the key");
  }

  #tellOf(node: EdgeNode): void {
    const { publicKey } = node.spec;
    this.#options.events.record(node, {
      type: "Normal",
      reason: "Enrolled",
      action: "Enroll",
      note: `The node has joined with the key ${publicKey}.`,
    });
  }

  #refuse({ request }: SignedEnroll, { reason, message }: EnrollRefused): EnrollReply {
    const { recorder, rejections } = this.#options;
    recorder?.enrollmentRefused(reason);
    if (reason !== "Unavailable") {
      rejections.tell(request.node, {
        type: "Warning",
        reason: "EnrollmentRefused",
        action: "Enroll",
        note: `${reason}: ${message}`,
      });
    }
    return { enrolled: false, reason, message };
  }
}

function secondOf(time: number): number {
  return Math.floor(time / SECOND_MS);
}

/** An earlier JWT of the same key may be good for longer, if lives were longer then. */
function expiryOf({ credentialsExpire }: NonNullable<EdgeNode["status"]["identity"]>): number {
  return credentialsExpire === undefined ? 0 : Date.parse(credentialsExpire);
}

const UNAVAILABLE: EnrollRefused = {
  kind: "refused",
  reason: "Unavailable",
  message: "The controller cannot do it now: try again.",
};

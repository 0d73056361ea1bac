import type { EdgeNode } from "../../api/v1alpha1/edgenode.ts";
import type { Enroll, EnrollReply } from "../../protocol/enroll.ts";
import { timestampOf, type Clock } from "../../runtime/clock.ts";
import { errorMessage } from "../../runtime/errors.ts";
import type { Logger } from "../../runtime/logger.ts";
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

  constructor(options: EnrollerOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async enroll(signed: SignedEnroll): Promise<EnrollReply> {
    try {
      return await this.#decideAndAct(signed);
    } catch (thrown) {
      const { node } = signed.request;
      this.#options.logger.warn({ node, err: thrown }, `enrolling failed: ${errorMessage(thrown)}`);
      return this.#refuse(signed, UNAVAILABLE);
    }
  }

  async #decideAndAct(signed: SignedEnroll): Promise<EnrollReply> {
    const { nodes, errors, mayAct } = this.#options;
    const { namespace, node: name } = signed.request;
    for (let tries = 0; tries < TRIES && mayAct(); tries += 1) {
      const live = await nodes.getLive(namespace, name);
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

  #decide({ request, signedBy }: SignedEnroll, node: EdgeNode | undefined): EnrollDecision {
    const { directory, clock } = this.#options;
    const owner = directory.owner(request.node);
    const isTaken = owner !== undefined && owner.metadata.namespace !== request.namespace;
    return decideEnrollment({ request, signedBy, node, isTaken, now: clock.now() });
  }

  async #issue(node: EdgeNode, publicKey: string): Promise<EnrollReply> {
    const { nodes, revoker, clock, lifetimeMs, clusterID, commandKeys, recorder } = this.#options;
    const { identity } = node.status;
    const isSame = identity?.publicKey === publicKey;
    if (identity !== undefined && !isSame) await revoker.revoke(unwantedIdentity(identity));
    const now = clock.now();
    const expiresAt = now + lifetimeMs;
    const jwt = await this.#mint({ node: node.metadata.name, publicKey, expiresAt });
    await nodes.updateStatus(node, {
      ...node.status,
      identity: {
        ...(isSame ? identity : { publicKey }),
        credentialsExpire: timestampOf(expiresAt),
      },
    });
    recorder?.enrolled();
    if (!isSame) this.#tellOf(node);
    this.#options.logger.info(
      { node: node.metadata.name, publicKey, expiresAt: timestampOf(expiresAt) },
      "node got credentials",
    );
    return {
      enrolled: true,
      time: timestampOf(clock.now()),
      clusterID,
      jwt,
      issuedAt: timestampOf(now),
      expiresAt: timestampOf(expiresAt),
      commandKeys: commandKeys().set,
    };
  }

  /** Issued after whatever of this key was revoked. */
  async #mint(claims: { node: string; publicKey: string; expiresAt: number }): Promise<string> {
    const { credentials, revoker, clock } = this.#options;
    const revokedAt = await revoker.reissue(claims.publicKey);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { jwt, issuedAt } = await credentials.mint(claims);
      if (Math.floor(issuedAt / SECOND_MS) > revokedAt) return jwt;
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

const UNAVAILABLE: EnrollRefused = {
  kind: "refused",
  reason: "Unavailable",
  message: "The controller cannot do it now: try again.",
};

import type { EdgeNode, EdgeNodeSpec } from "../../api/v1alpha1/edgenode.ts";
import type { Enroll, EnrollRefusal } from "../../protocol/enroll.ts";
import { conflictMessage, notEnrolledMessage } from "../edgenode/directory.ts";

export interface EnrollRefused {
  readonly kind: "refused";
  readonly reason: EnrollRefusal;
  readonly message: string;
}

/** Approved: the key becomes that of the EdgeNode, with this spec, before it gets a JWT. */
export type EnrollDecision =
  | EnrollRefused
  | { readonly kind: "known" }
  | { readonly kind: "approved"; readonly spec: EdgeNodeSpec };

export interface EnrollCase {
  readonly request: Pick<Enroll, "namespace" | "node" | "publicKey" | "token">;
  /** The keys whose signature on the request is good. */
  readonly signedBy: ReadonlySet<string>;
  /** The EdgeNode that the request names, as the API server has it now. */
  readonly node: EdgeNode | undefined;
  /** Another namespace has the name. */
  readonly isTaken: boolean;
  /** Unix time in milliseconds. */
  readonly now: number;
}

/** Whether a key becomes, or is, that of a node. Pure; the first that applies decides. */
export function decideEnrollment({
  request,
  signedBy,
  node,
  isTaken,
  now,
}: EnrollCase): EnrollDecision {
  const unproven = missingProof(request, signedBy);
  if (unproven !== undefined) return refused("Malformed", unproven);
  if (isTaken) return refused("NameConflict", conflictMessage(request.node));
  const name = { namespace: request.namespace, name: request.node };
  if (node === undefined || node.metadata.deletionTimestamp !== undefined) {
    return refused("NotEnrolled", `There is no such EdgeNode. ${notEnrolledMessage(name)}`);
  }
  if (node.spec.disabled) return refused("Disabled", "spec.disabled is true in its EdgeNode.");
  return decideKey(request, node.spec, now, notEnrolledMessage(name));
}

function decideKey(
  { publicKey, token }: EnrollCase["request"],
  spec: EdgeNodeSpec,
  now: number,
  howTo: string,
): EnrollDecision {
  const { enrollment, ...rest } = spec;
  const isToken = token !== undefined && enrollment?.publicKey === token;
  const isGood = isToken && now <= Date.parse(enrollment.expiresAt);
  if (isGood) return { kind: "approved", spec: { ...rest, publicKey } };
  if (spec.publicKey === publicKey) return { kind: "known" };
  if (isToken) return refused("TokenExpired", `The token has expired. ${howTo}`);
  if (token !== undefined) {
    return refused(
      "KeyNotApproved",
      `The token was used before, or another one was made since. ${howTo}`,
    );
  }
  if (spec.publicKey === undefined) return refused("NotEnrolled", howTo);
  return refused("KeyNotApproved", `spec.publicKey of its EdgeNode is another key. ${howTo}`);
}

function missingProof(
  { publicKey, token }: EnrollCase["request"],
  signedBy: ReadonlySet<string>,
): string | undefined {
  if (!signedBy.has(publicKey)) return "envelope.signatures: none is of payload.publicKey";
  if (token === undefined || signedBy.has(token)) return undefined;
  return "envelope.signatures: none is of payload.token";
}

function refused(reason: EnrollRefusal, message: string): EnrollRefused {
  return { kind: "refused", reason, message };
}

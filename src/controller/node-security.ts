import type { EdgeNode } from "../api/v1alpha1/edgenode.ts";
import { trustIn } from "../identity/signatures.ts";
import { ANYONE, NO_SIGNERS, type Signer, type Trust } from "../protocol/signature.ts";
import type { ControllerSecurity } from "./security.ts";

/** By whom what the controller says is signed, and whom it believes. */
export interface NodeSecurity {
  readonly signers: readonly Signer[];
  /** Who may speak as the node of this name. */
  trustOf(node: string): Trust;
}

/** The key that a node speaks with: none while nobody may speak as it. */
export function keyOf(node: EdgeNode | undefined): string | undefined {
  return node === undefined || node.spec.disabled ? undefined : node.spec.publicKey;
}

/** A node is who has the key that its EdgeNode names, now. */
export function nodeSecurityOf(
  security: () => ControllerSecurity,
  ownerOf: (node: string) => EdgeNode | undefined,
): NodeSecurity {
  return {
    get signers() {
      const keys = security();
      return keys === "insecure" ? NO_SIGNERS : keys.signers;
    },
    trustOf: (node) => {
      if (security() === "insecure") return ANYONE;
      const key = keyOf(ownerOf(node));
      return trustIn(() => (key === undefined ? [] : [key]));
    },
  };
}

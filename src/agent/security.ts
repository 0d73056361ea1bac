import type { SealingKey } from "../identity/sealing.ts";
import type { CommandKeySet } from "../protocol/command-keys.ts";
import type { Signer, Trust } from "../protocol/signature.ts";

/** Who the agent is, and whom it believes. */
export interface AgentSecurity {
  /** The node's own key; none where nothing is signed. */
  readonly signers: readonly Signer[];
  /** The controllers that the node knows. */
  readonly trust: Trust;
  /** What secrets for this node are sealed to. */
  readonly sealingKey: SealingKey;
  /** Of the command keys that the node trusts; undefined where it trusts anyone. */
  readonly trustSerial: number | undefined;
  /**
   * A trusted controller says which keys are to be trusted from now on. A set of a higher serial is written down, and
   * then believed; any other changes nothing.
   */
  learn(commandKeys: CommandKeySet): Promise<void>;
}

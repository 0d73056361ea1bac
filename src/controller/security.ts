import type { CommandKeySet } from "../protocol/command-keys.ts";
import type { Signer } from "../protocol/signature.ts";

/** The keys of a controller, which are asked for each time: they may be exchanged while it runs. */
export interface CommandKeys {
  /** All that it holds, the oldest first: each message has a signature of each. */
  readonly signers: readonly Signer[];
  /** What nodes are told to trust. */
  readonly set: CommandKeySet;
}

/** "insecure": nothing is signed, and whoever is on the broker is believed. */
export type ControllerSecurity = CommandKeys | "insecure";

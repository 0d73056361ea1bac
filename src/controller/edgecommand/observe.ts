import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import type { RunReport } from "../../protocol/run.ts";

/** What the controller knows of the node that a command names. */
export type NodeView =
  | { readonly kind: "notFound" }
  /** Nothing is sent to it, whether it is there or not, until somebody acts. */
  | { readonly kind: "barred"; readonly reason: BarredReason; readonly message: string }
  | { readonly kind: "away"; readonly message: string }
  /** It said hello; what it said is not in its EdgeNode yet, so nothing is sent to it yet. */
  | { readonly kind: "arriving" }
  | {
      readonly kind: "present";
      readonly sessionID: string;
      /** What secrets for it are sealed to; absent until its agent has told. */
      readonly sealingKey?: string;
      /** When its ledger was first heard of; absent for the first that it ever had. */
      readonly ledgerSince?: string;
      /** The same of a ledger that is the first, as far as its EdgeNode can tell. */
      readonly firstLedgerSince?: string;
    };

/** Another EdgeNode has its name; two agents speak as it; somebody has set spec.disabled. */
export type BarredReason = "NameConflict" | "IdentityConflict" | "Disabled";

/** Who has the node's row. */
export type NodeRow = NonNullable<RunStatus["nodeRow"]>;

/** What is said to a node of a run: do it, or do not. */
export type MessageKind = "command" | "withdrawal";

/** What this process knows of the talk with the node about one run. Lost with it, and found again. */
export interface Exchange {
  /** Offers made so far. */
  readonly tries: number;
  /** When the first was made; on the monotonic clock, as all times here. */
  readonly firstTryAt?: number | undefined;
  /** An offer is on its way and has no answer yet. */
  readonly inFlight: boolean;
  /** Not to be offered again before this. */
  readonly dueAt: number;
  /** Why the last offer came to nothing. */
  readonly failure?: { readonly reason: string; readonly message: string } | undefined;
  /** The uid whose row this resource is to take over. */
  readonly takesOver?: string;
  /** The node's latest word on a run that had not ended. */
  readonly report?: RunReport | undefined;
  /** When `report` came. */
  readonly reportedAt?: number;
  /** `report` was asked for again after it had lasted. */
  readonly confirmed: boolean;
  /** There is reason to think that `report` is no longer so: the node is to be asked again. */
  readonly isStale: boolean;
  /**
   * The node has a later state of this resource than the cluster, or has given its row to another uid; without
   * a row, this uid was withdrawn for good.
   */
  readonly ahead?:
    | { readonly kind: "nodeIsAhead" | "superseded"; readonly row?: NodeRow }
    | undefined;
  /** The node's session in which it said that it has lost the ledger that may have had the run. */
  readonly ledgerLostIn?: string | undefined;
}

export const NEW_EXCHANGE: Exchange = {
  tries: 0,
  inFlight: false,
  dueAt: 0,
  confirmed: false,
  isStale: false,
};

/** All that a decision about one EdgeCommand is made from. */
export interface Observed {
  readonly command: EdgeCommand;
  readonly revision: string;
  readonly node: NodeView;
  /** How long there has been no connection to the broker; absent while there is one. */
  readonly brokerDownMs?: number;
  /**
   * How long the node has been silent towards a process that could hear it: 0 while it is there, and only
   * as long as this process has listened.
   */
  readonly silentMs: number;
  /** A node that is silent for this long is away. */
  readonly nodeGracePeriodMs: number;
  readonly exchange: Exchange;
  /** Finished runs that the node reported and that have no receipt yet, the oldest first. */
  readonly reports: readonly RunReport[];
  /** Milliseconds since the epoch: the controller's time. */
  readonly now: number;
  readonly monotonic: number;
}

import type { EdgeCommand } from "../../src/api/v1alpha1/edgecommand.ts";
import type { FaultName } from "./catalogue.ts";
import type { ScriptKind, TruthLine } from "./scripts.ts";

/** The latest run that a status tells of, and each of the earlier ones. */
export type RunStatus = NonNullable<EdgeCommand["status"]["run"]>;
export type PastRun = NonNullable<EdgeCommand["status"]["history"]>[number];

/** One thing to run, as the users declared it: `token` is in its script, and so in the truth. */
export interface Declared {
  readonly token: string;
  /** The resource that it was declared under; another one never has the same token. */
  readonly name: string;
  readonly node: string;
  readonly kind: ScriptKind;
  /** How often somebody did what makes this the next run. Asked for without an answer counts. */
  declarations: number;
  /** How many attempts one run of it may have. */
  attempts: number;
  /** Whether it ever had a deadline for its start. */
  hasDeadline: boolean;
}

/** One version of one EdgeCommand, as the watch brought it. */
export interface Version {
  readonly atMs: number;
  /** How many times etcd had been restored before. */
  readonly restores: number;
  readonly deleted: boolean;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly phase: string;
  readonly run: RunStatus | undefined;
  readonly history: readonly PastRun[];
}

export interface FaultRecord {
  readonly fault: FaultName;
  readonly target: string;
  readonly fromMs: number;
  toMs: number;
}

/** A process that ended though nobody had asked it to. */
export interface SelfExit {
  readonly atMs: number;
  readonly process: string;
  readonly code: number | null;
  readonly signal: string | null;
}

/** A process that carries the id of a run and is there after all. */
export interface Leftover {
  readonly pid: number;
  readonly runID: string;
  readonly commandLine: string;
}

/** All that is judged; nothing in it is the word of the system under test but `final` and `versions`. */
export interface Evidence {
  readonly truth: readonly TruthLine[];
  readonly declared: ReadonlyMap<string, Declared>;
  readonly final: readonly EdgeCommand[];
  readonly versions: readonly Version[];
  readonly faults: readonly FaultRecord[];
  readonly exits: readonly SelfExit[];
  readonly leftovers: readonly Leftover[];
}

export function versionOf(
  { metadata, status }: EdgeCommand,
  at: Pick<Version, "atMs" | "restores" | "deleted">,
): Version {
  const { name, uid, generation } = metadata;
  const { phase = "Pending", run, history = [] } = status;
  return { ...at, name, uid, generation, phase, run, history };
}

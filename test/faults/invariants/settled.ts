import type { EdgeCommand } from "../../../src/api/v1alpha1/edgecommand.ts";
import type { Evidence } from "../evidence.ts";
import { NODES } from "../topology.ts";

/** Written down here once more: the code under test does not say what is an end. */
const TERMINAL: ReadonlySet<string> = new Set([
  "Succeeded",
  "Failed",
  "TimedOut",
  "Rejected",
  "Interrupted",
  "Expired",
  "Cancelled",
  "Skipped",
  "Unknown",
]);
const NODE_NAMES: ReadonlySet<string> = new Set<string>(NODES);

/** Why a command that has not ended is as it should be; undefined: it still owes its end. */
function excuseOf({ spec, status }: EdgeCommand, wasRestored: boolean): string | undefined {
  const { run } = status;
  const phase: string = status.phase ?? "Pending";
  if (phase === "Suspended") return "suspended";
  if (phase === "WaitingForNode" && !NODE_NAMES.has(spec.nodeName)) return "there is no such node";
  const isBehind = run?.reason === "NodeIsAhead" || run?.reason === "Superseded";
  return isBehind && wasRestored ? "the cluster went back in time" : undefined;
}

export function hasSettled(command: EdgeCommand, wasRestored: boolean): boolean {
  const { status, metadata, spec } = command;
  const isCurrent = status.observedGeneration === metadata.generation;
  // One with a time to live is gone soon after its end.
  if (isCurrent && TERMINAL.has(status.phase ?? "")) return !("ttlAfterFinished" in spec);
  return isCurrent && excuseOf(command, wasRestored) !== undefined;
}

/** Everything is healed, every node is there: what is owed has come. */
export function allIsSettled({ final, faults }: Evidence): string[] {
  const wasRestored = faults.some(({ fault }) => fault === "etcd-restore");
  return final
    .filter((command) => !hasSettled(command, wasRestored))
    .map(({ metadata: { name, generation }, spec, status }) => {
      const where = `${status.phase ?? "Pending"} (${status.run?.reason ?? "no run"})`;
      const of = `generation ${status.observedGeneration} of ${generation}`;
      return `${name} on ${spec.nodeName} is still ${where}, ${of}`;
    });
}

/** Deleting must never hang. */
export function noFinalizers({ final }: Evidence): string[] {
  return final
    .filter(({ metadata }) => "finalizers" in metadata || metadata.deletionTimestamp !== undefined)
    .map(({ metadata: { name } }) => `${name} hangs in its deletion`);
}

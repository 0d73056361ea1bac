import type { EdgeNode } from "../../src/api/v1alpha1/edgenode.ts";
import { edgeCommandSpec, type EdgeCommand } from "../../src/api/v1alpha1/edgecommand.ts";
import { revisionOf } from "../../src/api/v1alpha1/revision.ts";
import { NEW_EXCHANGE, type Observed } from "../../src/controller/edgecommand/observe.ts";
import type { RunReport, RunResult } from "../../src/protocol/run.ts";

const UID = "11111111-1111-4111-8111-111111111111";
export const OTHER_UID = "22222222-2222-4222-8222-222222222222";
export const SESSION_ID = "44444444-4444-4444-8444-444444444444";
/** When the commands of the builders were created, and what "now" is unless a test says otherwise. */
export const CREATED = "2026-11-24T06:00:00.000Z";
export const NOW = Date.parse("2026-11-24T06:00:00.250Z");

export const NODE_GRACE_MS = 100_000;

interface CommandOverrides {
  readonly generation?: number;
  readonly uid?: string;
  readonly spec?: Partial<EdgeCommand["spec"]>;
  readonly status?: EdgeCommand["status"];
}

export function edgeCommand(overrides: CommandOverrides = {}): EdgeCommand {
  return {
    apiVersion: "steward.dev/v1alpha1",
    kind: "EdgeCommand",
    metadata: {
      name: "uptime",
      namespace: "default",
      uid: overrides.uid ?? UID,
      resourceVersion: "7",
      generation: overrides.generation ?? 1,
      creationTimestamp: "2026-11-24T06:00:00Z",
    },
    spec: edgeCommandSpec.parse({
      nodeName: "ship1",
      method: "shellcommand",
      args: ["uptime"],
      ...overrides.spec,
    }),
    status: overrides.status ?? { observedGeneration: -1, phase: "Pending" },
  };
}

export function runResult(overrides: Partial<RunResult> = {}): RunResult {
  return {
    outcome: "Succeeded",
    started: "True",
    exitCode: 0,
    startedAt: "2026-11-24T06:00:00.110Z",
    finishedAt: "2026-11-24T06:00:00.200Z",
    durationMs: 90,
    stdout: { text: "up 3 days\n", bytes: 10, sha256: "0".repeat(64), truncated: false },
    stderr: { text: "", bytes: 0, sha256: "1".repeat(64), truncated: false },
    reason: "Completed",
    message: "It exited with 0.",
    ...overrides,
  };
}

/** What the node tells of a run of `command`; finished unless another state is asked for. */
export function runReport(command: EdgeCommand, overrides: Partial<RunReport> = {}): RunReport {
  const state = overrides.state ?? "Finished";
  return {
    namespace: command.metadata.namespace,
    name: command.metadata.name,
    uid: command.metadata.uid,
    runID: `33333333-3333-4333-8333-${String(command.metadata.generation).padStart(12, "0")}`,
    generation: command.metadata.generation,
    declared: command.metadata.generation,
    epoch: 0,
    revision: revisionOf(command.spec),
    rerun: command.spec.rerun,
    state,
    attempts: state === "Accepted" ? 0 : 1,
    adopted: false,
    acceptedAt: "2026-11-24T06:00:00.100Z",
    ...(state === "Accepted" ? {} : { startedAt: "2026-11-24T06:00:00.110Z" }),
    ...(state === "Finished" ? { result: runResult() } : {}),
    ...overrides,
  };
}

/** A command on a node that is there, with nothing said yet. */
export function observed(command: EdgeCommand, overrides: Partial<Observed> = {}): Observed {
  return {
    command,
    revision: revisionOf(command.spec),
    node: { kind: "present", sessionID: SESSION_ID },
    silentMs: 0,
    nodeGracePeriodMs: NODE_GRACE_MS,
    exchange: NEW_EXCHANGE,
    reports: [],
    now: NOW,
    monotonic: 10_000,
    ...overrides,
  };
}

/** An EdgeNode of the name ship1, with so much of a spec, and who it has proved to be. */
export function edgeNode(
  spec: Partial<EdgeNode["spec"]> = {},
  identity?: EdgeNode["status"]["identity"],
): EdgeNode {
  return {
    apiVersion: "steward.dev/v1alpha1",
    kind: "EdgeNode",
    metadata: {
      name: "ship1",
      namespace: "default",
      uid: "n",
      resourceVersion: "1",
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: { disabled: false, ...spec },
    status: { observedGeneration: 1, ...(identity === undefined ? {} : { identity }) },
  };
}

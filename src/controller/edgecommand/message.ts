import type { EdgeCommand, RunStatus } from "../../api/v1alpha1/edgecommand.ts";
import type { Command } from "../../protocol/command.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { parseDuration } from "../../runtime/duration.ts";

export interface Addressing {
  readonly clusterID: string;
  readonly sessionID: string;
  readonly run: Pick<RunStatus, "declared" | "revision" | "requestedAt">;
  readonly takesOver: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The one place that knows both an EdgeCommand and the message that it becomes. */
export function commandFor(command: EdgeCommand, to: Addressing): Command {
  const { metadata, spec } = command;
  return {
    clusterID: to.clusterID,
    node: spec.nodeName,
    sessionID: to.sessionID,
    signedAt: timestampOf(to.now),
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation,
    declared: to.run.declared,
    revision: to.run.revision,
    requestedAt: timestampOf(Date.parse(to.run.requestedAt)),
    ...(to.takesOver === undefined ? {} : { takesOver: to.takesOver }),
    work: {
      method: spec.method,
      args: spec.args,
      env: spec.env,
      stdin: spec.stdin,
      workingDir: spec.workingDir,
    },
    terms: {
      timeoutMs: Math.max(1, parseDuration(spec.timeout)),
      ...startBy(command, to.run),
      successExitCodes: spec.successExitCodes,
      inlineBytes: spec.output.inlineBytes,
    },
  };
}

function startBy(command: EdgeCommand, run: Addressing["run"]): { startBy?: string } {
  const { startDeadline } = command.spec;
  if (startDeadline === undefined) return {};
  return { startBy: timestampOf(Date.parse(run.requestedAt) + parseDuration(startDeadline)) };
}

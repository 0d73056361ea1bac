import { setConditions } from "../../api/conditions.ts";
import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import type { EdgeCommandStatus, Phase, RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import { conditionsOf } from "./conditions.ts";
import type { Progress } from "./progress.ts";
import type { Runs } from "./run.ts";
import { cutText } from "./text.ts";

/**
 * The whole status of an EdgeCommand, computed in this one place from its runs and, while the latest has
 * not ended, from where it is. Serialised it stays below 16 KiB, whatever a command prints: the bounds of
 * `protocol/output.ts`, of the texts cut here and in `finished-run.ts`, and of the history add up to less.
 */
export function statusOf(
  command: EdgeCommand,
  runs: Runs,
  progress: Progress | undefined,
  now: string,
): EdgeCommandStatus {
  const run = withProgress(runs.run, progress);
  const phase: Phase = run.outcome ?? progress?.phase ?? "Pending";
  const { generation } = command.metadata;
  const claims = conditionsOf(run, progress, command.spec.readyWhen);
  const context = { observedGeneration: generation, now };
  return {
    observedGeneration: generation,
    phase,
    run,
    ...(runs.history.length === 0 ? {} : { history: [...runs.history] }),
    conditions: setConditions(command.status.conditions ?? [], claims, context),
  };
}

/** The status of a resource whose spec this controller cannot read. */
export function unreadableStatus(
  command: EdgeCommand,
  problem: string,
  now: string,
): EdgeCommandStatus {
  const { generation } = command.metadata;
  const text = { reason: "InvalidSpec", message: cutText(problem, 512) };
  return {
    ...command.status,
    observedGeneration: generation,
    conditions: setConditions(
      command.status.conditions ?? [],
      [
        { type: "Ready", status: "False", ...text },
        { type: "Stalled", status: "True", ...text },
      ],
      { observedGeneration: generation, now },
    ),
  };
}

function withProgress(run: RunStatus, progress: Progress | undefined): RunStatus {
  if (run.outcome !== undefined || progress === undefined) return run;
  return { ...run, reason: progress.reason, message: cutText(progress.message, 1024) };
}

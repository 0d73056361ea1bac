import type { EdgeCommand } from "../../../../src/api/v1alpha1/edgecommand.ts";
import type {
  EdgeCommandStatus,
  RunStatus,
} from "../../../../src/api/v1alpha1/edgecommand-status.ts";
import {
  NEW_EXCHANGE,
  type Exchange,
  type Observed,
} from "../../../../src/controller/edgecommand/observe.ts";
import { SETTLE_MS } from "../../../../src/controller/edgecommand/offering.ts";
import { plan } from "../../../../src/controller/edgecommand/plan.ts";
import type { RunReport } from "../../../../src/protocol/run.ts";
import { edgeCommand, NODE_GRACE_MS, observed, runReport } from "../../../support/builders.ts";

/** An offer is on its way. */
export const asked: Exchange = {
  ...NEW_EXCHANGE,
  tries: 1,
  firstTryAt: 10_000,
  inFlight: true,
};

/** Everything that lasts has lasted. */
export const late = { monotonic: 10_000 + SETTLE_MS } as const;

/** Silent for long enough. */
export const away = {
  node: { kind: "away", message: "Nothing is heard." },
  silentMs: NODE_GRACE_MS,
} as const satisfies Partial<Observed>;

/** The node has answered with this. */
export function answered(report: RunReport): Exchange {
  return { ...asked, inFlight: false, report, reportedAt: 10_000, confirmed: true };
}

export function condition(status: EdgeCommandStatus | undefined, type: string): string | undefined {
  return status?.conditions?.find((each) => each.type === type)?.status;
}

/** The command with the status that a plan wrote, as the API server would hand it back. */
export function written(command: EdgeCommand, status: EdgeCommandStatus | undefined): EdgeCommand {
  if (status === undefined) throw new Error("nothing was written");
  return { ...command, status };
}

/** The command after the plan for what is observed was carried out. */
export function after(command: EdgeCommand, overrides: Partial<Observed> = {}): EdgeCommand {
  const { writeStatus } = plan(observed(command, overrides));
  return writeStatus === undefined ? command : { ...command, status: writeStatus };
}

export function finished(command: EdgeCommand, report: Partial<RunReport> = {}): EdgeCommand {
  return after(command, { reports: [runReport(command, report)] });
}

/** Edited: the next generation, with another spec. */
export function edited(command: EdgeCommand, spec: Partial<EdgeCommand["spec"]>): EdgeCommand {
  const { generation } = command.metadata;
  const next = edgeCommand({ generation: generation + 1, uid: command.metadata.uid });
  return { ...next, spec: { ...command.spec, ...spec }, status: command.status };
}

/** As the resource would be with this as its latest run. */
export function withRun(command: EdgeCommand, run: Partial<RunStatus>): EdgeCommand {
  const { status } = after(command, { exchange: asked, ...late });
  if (status.run === undefined) throw new Error("there is no run");
  return { ...command, status: { ...status, run: { ...status.run, ...run } } };
}

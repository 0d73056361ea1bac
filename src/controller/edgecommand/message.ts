import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import type { Address, Command, CommandTerms } from "../../protocol/command.ts";
import type { Withdrawal } from "../../protocol/withdrawal.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { parseDuration } from "../../runtime/duration.ts";
import { startByOf } from "./deadlines.ts";

export interface Addressing {
  readonly clusterID: string;
  readonly sessionID: string;
  readonly ledgerSince: string | undefined;
  readonly run: Pick<
    RunStatus,
    "declared" | "revision" | "rerun" | "epoch" | "requestedAt" | "resumedAt"
  >;
  readonly takesOver: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

type RunOffer = Omit<Extract<Withdrawal, { scope: "run" }>, keyof Address | "scope">;

/** The one place that knows both an EdgeCommand and the messages that it becomes. */
export function commandFor(command: EdgeCommand, to: Addressing): Command {
  const { spec } = command;
  return {
    ...addressFor(command, to),
    ...offerFor(command, to),
    work: {
      method: spec.method,
      args: spec.args,
      env: spec.env,
      stdin: spec.stdin,
      workingDir: spec.workingDir,
    },
    terms: termsFor(command, to),
  };
}

/** Never to start it, and to end it if it runs. */
export function withdrawalFor(command: EdgeCommand, to: Addressing): Withdrawal {
  return { ...addressFor(command, to), scope: "run", ...offerFor(command, to) };
}

function addressFor({ metadata, spec }: EdgeCommand, to: Addressing): Address {
  return {
    clusterID: to.clusterID,
    node: spec.nodeName,
    sessionID: to.sessionID,
    signedAt: timestampOf(to.now),
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
  };
}

function offerFor(
  { metadata }: EdgeCommand,
  { run, takesOver, ledgerSince }: Addressing,
): RunOffer {
  return {
    epoch: run.epoch,
    generation: metadata.generation,
    declared: run.declared,
    revision: run.revision,
    rerun: run.rerun,
    requestedAt: inMilliseconds(run.requestedAt),
    ...(takesOver === undefined ? {} : { takesOver }),
    ...(ledgerSince === undefined ? {} : { ledgerSince: inMilliseconds(ledgerSince) }),
  };
}

function termsFor({ spec }: EdgeCommand, { run }: Addressing): CommandTerms {
  const startBy = startByOf(run, spec);
  return {
    timeoutMs: milliseconds(spec.timeout),
    ...(startBy === undefined ? {} : { startBy: timestampOf(startBy) }),
    successExitCodes: spec.successExitCodes,
    inlineBytes: spec.output.inlineBytes,
    retry: {
      limit: spec.retry.limit,
      backoffMs: milliseconds(spec.retry.backoff),
      maxBackoffMs: milliseconds(spec.retry.maxBackoff),
    },
    idempotent: spec.idempotent,
  };
}

/** What is shorter than a millisecond is one. */
function milliseconds(duration: string): number {
  return Math.max(1, parseDuration(duration));
}

/** etcd's times may have whole seconds; the wire's have milliseconds. */
function inMilliseconds(time: string): string {
  return timestampOf(Date.parse(time));
}

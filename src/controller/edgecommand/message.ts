import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import type { RunStatus } from "../../api/v1alpha1/edgecommand-status.ts";
import type { Address, Command, CommandTerms } from "../../protocol/command.ts";
import type { Withdrawal } from "../../protocol/withdrawal.ts";
import { timestampOf } from "../../runtime/clock.ts";
import { parseDuration } from "../../runtime/duration.ts";
import { startByOf } from "./deadlines.ts";

/** A resource, and the node that it names. */
export interface ResourceOnNode {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly nodeName: string;
}

/** Who speaks to which session of an agent, and when. */
interface Session {
  readonly clusterID: string;
  readonly sessionID: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Addressing extends Session {
  readonly ledgerSince: string | undefined;
  readonly run: Pick<
    RunStatus,
    "declared" | "revision" | "rerun" | "epoch" | "requestedAt" | "resumedAt"
  >;
  readonly takesOver: string | undefined;
}

type RunOffer = Omit<Extract<Withdrawal, { scope: "run" }>, keyof Address | "scope">;

/** The one place that knows both an EdgeCommand and the messages that it becomes. */
export function commandFor(command: EdgeCommand, to: Addressing): Command {
  const { spec } = command;
  return {
    ...addressOf(command, to),
    ...offerFor(command, to),
    work: {
      method: spec.method,
      args: spec.args,
      env: plainVariables(spec),
      stdin: spec.stdin,
      workingDir: spec.workingDir,
      ...(spec.runAs === undefined ? {} : { runAs: spec.runAs }),
    },
    terms: termsFor(command, to),
  };
}

/** Those whose values are in the resource; the others are sealed. */
function plainVariables({ env }: EdgeCommand["spec"]): Command["work"]["env"] {
  const plain = env.filter(({ valueFrom }) => valueFrom === undefined);
  return plain.map(({ name, value }) => ({ name, value }));
}

/** Never to start it, and to end it if it runs. */
export function withdrawalFor(command: EdgeCommand, to: Addressing): Withdrawal {
  return { ...addressOf(command, to), scope: "run", ...offerFor(command, to) };
}

/** Whatever runs, or will come, for a resource that is not there any more. */
export function deletionFor(resource: ResourceOnNode, to: Session): Withdrawal {
  return { ...addressFor(resource, to), scope: "resource" };
}

function addressOf({ metadata, spec }: EdgeCommand, to: Session): Address {
  return addressFor({ ...metadata, nodeName: spec.nodeName }, to);
}

function addressFor({ namespace, name, uid, nodeName }: ResourceOnNode, to: Session): Address {
  return {
    clusterID: to.clusterID,
    node: nodeName,
    sessionID: to.sessionID,
    signedAt: timestampOf(to.now),
    namespace,
    name,
    uid,
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

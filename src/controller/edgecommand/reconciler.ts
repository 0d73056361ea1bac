import { objectKey } from "../../api/meta.ts";
import { edgeCommandSpec, type EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import { revisionOf } from "../../api/v1alpha1/revision.ts";
import type { Bus } from "../../protocol/bus.ts";
import { timestampOf, type Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import { Semaphore } from "../../runtime/semaphore.ts";
import type { Random } from "../../runtime/random.ts";
import type { CommandRecorder, EventRecorder, ResourceStore, StoreErrors } from "../ports.ts";
import { afterOffer } from "./answer.ts";
import { eventFor } from "./events.ts";
import type { Exchanges } from "./exchanges.ts";
import type { NodeView, Observed } from "./observe.ts";
import { makeOffer } from "./offer.ts";
import { plan, type Plan } from "./plan.ts";
import type { PendingReport, PendingReports } from "./reports.ts";
import { isFirm } from "./run.ts";
import { unreadableStatus } from "./status.ts";

const MAX_LIVE_READS = 16;
const NO_ROOM_DELAY_MS = 10_000;

/** What a command asks of the nodes' side of the controller. */
export interface Nodes {
  view(namespace: string, name: string): NodeView;
  /** Nobody listens at the broker under this name. */
  markUnreachable(namespace: string, name: string): void;
  askForHello(name: string): void;
}

export interface EdgeCommandReconcilerOptions {
  readonly commands: ResourceStore<EdgeCommand>;
  readonly errors: StoreErrors;
  readonly nodes: Nodes;
  readonly reports: PendingReports;
  readonly exchanges: Exchanges;
  readonly bus: Bus;
  readonly brokerDownMs: () => number | undefined;
  readonly clusterID: () => string;
  readonly mayAct: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventRecorder;
  readonly logger: Logger;
  readonly recorder?: CommandRecorder | undefined;
  /** Puts the key into the work queue, now or after a while. */
  readonly requeue: (key: string, afterMs?: number) => void;
}

/**
 * Brings one EdgeCommand and its node together: observe, plan, execute. Level-triggered: what it does
 * depends on what is, not on which event woke it. One key is worked on by one worker at a time.
 */
export class EdgeCommandReconciler {
  readonly #options: EdgeCommandReconcilerOptions;
  readonly #liveReads = new Semaphore(MAX_LIVE_READS);

  constructor(options: EdgeCommandReconcilerOptions) {
    this.#options = options;
  }

  /** Resolves to whether the key is due again at a certain time. */
  async reconcile(key: string): Promise<boolean> {
    const { commands, exchanges, reports } = this.#options;
    const command = commands.get(key);
    if (command === undefined) {
      exchanges.delete(key);
      await this.#settleForeign(key, reports.get(key));
      return false;
    }
    const {
      mine = [],
      foreign = [],
      forged = [],
    } = Object.groupBy(reports.get(key), (each) => ownership(each, command));
    this.#refuse(key, forged);
    await this.#settleForeign(key, foreign);
    const problem = unreadable(command);
    if (problem !== undefined) {
      this.#options.reports.settle(key, mine);
      await this.#refuseToRead(command, problem);
      return false;
    }
    const observed = this.#observe(key, command, mine);
    const planned = plan(observed);
    await this.#execute(key, observed, planned, mine);
    return planned.requeueAfterMs !== undefined;
  }

  #observe(key: string, command: EdgeCommand, pending: readonly PendingReport[]): Observed {
    const { nodes, exchanges, clock, brokerDownMs } = this.#options;
    const { metadata, spec } = command;
    const downMs = brokerDownMs();
    return {
      command,
      revision: revisionOnce(spec),
      node: nodes.view(metadata.namespace, spec.nodeName),
      ...(downMs === undefined ? {} : { brokerDownMs: downMs }),
      exchange: exchanges.get(key, metadata),
      reports: pending.map(({ report }) => report),
      now: clock.now(),
      monotonic: clock.monotonic(),
    };
  }

  async #execute(
    key: string,
    observed: Observed,
    planned: Plan,
    pending: readonly PendingReport[],
  ): Promise<void> {
    const { command } = observed;
    if (planned.writeStatus !== undefined) {
      const written = await this.#write(key, command, planned.writeStatus);
      if (!written) return;
      this.#recordEnd(command, planned.writeStatus);
      const event = eventFor(command.status, planned.writeStatus);
      if (event !== undefined) this.#options.events.record(command, event);
    }
    this.#settle(key, pending, "stored");
    if (isFirm(planned.writeStatus?.run ?? command.status.run)) {
      this.#options.exchanges.delete(key);
    }
    if (planned.offer !== undefined && command.metadata.deletionTimestamp === undefined) {
      void this.#offer(key, observed, planned.offer);
    }
    if (planned.requeueAfterMs !== undefined) this.#options.requeue(key, planned.requeueAfterMs);
  }

  #recordEnd(command: EdgeCommand, { run }: EdgeCommand["status"]): void {
    const before = command.status.run;
    if (run?.outcome === undefined) return;
    if (before?.outcome !== undefined && before.declared === run.declared) return;
    this.#options.recorder?.recorded(this.#options.clock.now() - Date.parse(run.requestedAt));
  }

  /**
   * False if the object was not as it was read: the cache then has it as it is, and the key is due again.
   * Throws if the cache cannot have it yet: it is tried again with back-off, or when the watch brings it.
   */
  async #write(key: string, command: EdgeCommand, status: EdgeCommand["status"]): Promise<boolean> {
    const { commands, errors, requeue } = this.#options;
    try {
      await commands.updateStatus(command, status);
      return true;
    } catch (thrown) {
      if (!errors.isConflict(thrown) && !errors.isNotFound(thrown)) throw thrown;
      const live = await commands.getLive(command.metadata.namespace, command.metadata.name);
      // On a 404 the watch brings the deletion, and with it the key.
      if (live === undefined) return false;
      if (commands.get(key)?.metadata.resourceVersion !== live.metadata.resourceVersion)
        throw thrown;
      requeue(key);
      return false;
    }
  }

  async #offer(key: string, observed: Observed, offer: NonNullable<Plan["offer"]>): Promise<void> {
    const { exchanges, clock, random, clusterID, nodes, reports, requeue, logger } = this.#options;
    const { command, monotonic } = observed;
    const { metadata, spec } = command;
    const exchange = {
      ...observed.exchange,
      inFlight: true,
      tries: observed.exchange.tries + 1,
      firstTryAt: observed.exchange.firstTryAt ?? monotonic,
    };
    exchanges.begin(key, metadata, exchange);
    const { run, sessionID, readLive } = offer;
    const to = {
      clusterID: clusterID(),
      sessionID,
      run,
      takesOver: exchange.takesOver,
      now: clock.now(),
    };
    const outcome = await makeOffer(
      { ...this.#options, liveReads: this.#liveReads },
      {
        command,
        to,
        readLive,
        isRepeated: observed.exchange.tries > 0,
      },
    );
    const context = { exchange, readLive, monotonic: clock.monotonic(), random };
    const after = afterOffer(outcome, context);
    exchanges.update(key, metadata, { inFlight: false, ...after.exchange });
    const fields = { command: key, node: spec.nodeName, generation: metadata.generation };
    logger.debug({ ...fields, outcome: outcome.kind, tries: exchange.tries }, "command offered");
    if (after.finished !== undefined) {
      const pending = { report: after.finished, node: spec.nodeName, giveReceipt: undefined };
      // No room for it: the node is asked again, not at once.
      if (!reports.put(key, pending)) {
        exchanges.update(key, metadata, { dueAt: clock.monotonic() + NO_ROOM_DELAY_MS });
      }
    }
    if (after.nodeIsGone === true) nodes.markUnreachable(metadata.namespace, spec.nodeName);
    if (after.askForHello === true) nodes.askForHello(spec.nodeName);
    requeue(key);
  }

  /**
   * Reports on another uid than the cached one. Only a live read may say that their resource is gone; it
   * may also bring a resource that the watch has not brought yet.
   */
  async #settleForeign(key: string, foreign: readonly PendingReport[]): Promise<void> {
    const [first] = foreign;
    if (first === undefined) return;
    const { commands, requeue } = this.#options;
    const { namespace, name } = first.report;
    const live = await commands.getLive(namespace, name).catch((thrown: unknown) => {
      // No word from the API server, no receipt. They are not held either: their nodes repeat them.
      this.#options.reports.settle(key, foreign);
      throw thrown;
    });
    const orphaned = foreign.filter(({ report }) => report.uid !== live?.metadata.uid);
    this.#settle(key, orphaned, "orphaned");
    if (orphaned.length === foreign.length) return;
    if (commands.get(key)?.metadata.uid !== live?.metadata.uid) {
      throw new Error("the cache does not have the live resource yet");
    }
    requeue(key);
  }

  /** Nobody speaks for another node's command. */
  #refuse(key: string, forged: readonly PendingReport[]): void {
    for (const { node, giveReceipt } of forged) {
      this.#options.logger.warn({ command: key, node }, "a node reported another node's command");
      giveReceipt?.({ receipt: "refused", message: "payload.uid: a command of another node" });
    }
    this.#options.reports.settle(key, forged);
  }

  #settle(key: string, pending: readonly PendingReport[], receipt: "stored" | "orphaned"): void {
    for (const { report, giveReceipt } of pending) giveReceipt?.({ receipt, runID: report.runID });
    this.#options.reports.settle(key, pending);
  }

  async #refuseToRead(command: EdgeCommand, problem: string): Promise<void> {
    const now = timestampOf(this.#options.clock.now());
    if (command.status.observedGeneration === command.metadata.generation) return;
    this.#options.logger.warn({ command: objectKey(command.metadata), problem }, "spec unreadable");
    await this.#options.commands.updateStatus(command, unreadableStatus(command, problem, now));
  }
}

function ownership(
  { report, node }: PendingReport,
  { metadata, spec }: EdgeCommand,
): "mine" | "foreign" | "forged" {
  if (report.uid !== metadata.uid) return "foreign";
  return node === spec.nodeName ? "mine" : "forged";
}

/** A spec object never changes, and is looked at on every pass. */
const revisions = new WeakMap<EdgeCommand["spec"], string>();

function revisionOnce(spec: EdgeCommand["spec"]): string {
  const revision = revisions.get(spec) ?? revisionOf(spec);
  revisions.set(spec, revision);
  return revision;
}

/** Specs that were found readable. */
const readable = new WeakSet<EdgeCommand["spec"]>();

/** Why a spec cannot be read, although the API server took it: its CRD is not the one of this build. */
function unreadable({ spec }: EdgeCommand): string | undefined {
  if (readable.has(spec)) return undefined;
  const result = edgeCommandSpec.safeParse(spec);
  if (result.success) {
    readable.add(spec);
    return undefined;
  }
  const [issue] = result.error.issues;
  return `spec.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"}; is the CRD that of this controller's version?`;
}

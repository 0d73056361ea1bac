import { objectKey } from "../../api/meta.ts";
import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import { timestampOf } from "../../runtime/clock.ts";
import type { EventRecorder, StoreErrors } from "../ports.ts";
import { NO_STEPS } from "../steps.ts";
import { eventFor } from "./events.ts";
import type { Observed } from "./observe.ts";
import { OfferMaker, type OfferMakerOptions } from "./offer-maker.ts";
import { plan, type Plan } from "./plan.ts";
import { revisionOnce, unreadable } from "./readable-spec.ts";
import { Receipts } from "./receipts.ts";
import type { PendingReport } from "./reports.ts";
import { isFirm } from "./run.ts";
import { unreadableStatus } from "./status.ts";

export interface EdgeCommandReconcilerOptions extends OfferMakerOptions {
  readonly errors: StoreErrors;
  readonly brokerDownMs: () => number | undefined;
  /** A node that says nothing for this long is away. */
  readonly nodeGracePeriodMs: number;
  readonly events: EventRecorder;
}

/**
 * Brings one EdgeCommand and its node together: observe, plan, execute. Level-triggered: what it does
 * depends on what is, not on which event woke it. One key is worked on by one worker at a time.
 */
export class EdgeCommandReconciler {
  readonly #options: EdgeCommandReconcilerOptions;
  readonly #offers: OfferMaker;
  readonly #receipts: Receipts;

  constructor(options: EdgeCommandReconcilerOptions) {
    this.#options = options;
    this.#offers = new OfferMaker(options);
    this.#receipts = new Receipts(options);
  }

  /** Resolves to whether the key is due again at a certain time. */
  async reconcile(key: string): Promise<boolean> {
    const { commands, exchanges, reports } = this.#options;
    const command = commands.get(key);
    if (command === undefined) {
      exchanges.delete(key);
      await this.#receipts.settleForeign(key, reports.get(key));
      return false;
    }
    const {
      mine = [],
      foreign = [],
      forged = [],
    } = Object.groupBy(reports.get(key), (each) => ownership(each, command));
    this.#receipts.refuse(key, forged);
    await this.#receipts.settleForeign(key, foreign);
    const problem = unreadable(command);
    if (problem !== undefined) {
      this.#options.reports.settle(key, mine);
      await this.#refuseToRead(command, problem);
      return false;
    }
    const observed = this.#observe(key, command, mine);
    const planned = plan(observed);
    await this.#execute(observed, planned, mine);
    return planned.requeueAfterMs !== undefined;
  }

  #observe(key: string, command: EdgeCommand, pending: readonly PendingReport[]): Observed {
    const { nodes, exchanges, clock, brokerDownMs, nodeGracePeriodMs } = this.#options;
    const { metadata, spec } = command;
    const downMs = brokerDownMs();
    return {
      command,
      revision: revisionOnce(spec),
      node: nodes.view(metadata.namespace, spec.nodeName),
      ...(downMs === undefined ? {} : { brokerDownMs: downMs }),
      silentMs: nodes.silentMs(metadata.namespace, spec.nodeName),
      nodeGracePeriodMs,
      exchange: exchanges.get(key, metadata),
      reports: pending.map(({ report }) => report),
      now: clock.now(),
      monotonic: clock.monotonic(),
    };
  }

  async #execute(
    observed: Observed,
    planned: Plan,
    pending: readonly PendingReport[],
  ): Promise<void> {
    const { command } = observed;
    const key = objectKey(command.metadata);
    const { writeStatus, offer, requeueAfterMs } = planned;
    if (writeStatus !== undefined) {
      const isWritten = await this.#write(command, writeStatus);
      if (!isWritten) return;
      this.#tellOf(command, writeStatus);
    }
    this.#receipts.stored(key, pending);
    if (isFirm(writeStatus?.run ?? command.status.run)) this.#options.exchanges.delete(key);
    if (command.metadata.deletionTimestamp === undefined) {
      if (planned.remove === true) await this.#remove(command);
      if (offer !== undefined) void this.#offers.make(observed, offer);
    }
    if (requeueAfterMs !== undefined) this.#options.requeue(key, requeueAfterMs);
  }

  #tellOf(command: EdgeCommand, status: EdgeCommand["status"]): void {
    this.#recordEnd(command, status);
    const event = eventFor(command.status, status);
    if (event !== undefined) this.#options.events.record(command, event);
  }

  #recordEnd(command: EdgeCommand, { run }: EdgeCommand["status"]): void {
    const before = command.status.run;
    if (run?.outcome === undefined) return;
    if (before?.outcome !== undefined && before.declared === run.declared) return;
    this.#options.recorder?.recorded(this.#options.clock.now() - Date.parse(run.requestedAt));
  }

  /** False if the object was not as it was read. */
  async #write(command: EdgeCommand, status: EdgeCommand["status"]): Promise<boolean> {
    const { commands, steps = NO_STEPS } = this.#options;
    return this.#change(command, async () => {
      steps.reached("status.writing");
      await commands.updateStatus(command, status);
      steps.reached("status.written");
    });
  }

  /** What was changed meanwhile is looked at again; it may not be over any more. */
  async #remove(command: EdgeCommand): Promise<void> {
    const { commands, steps = NO_STEPS } = this.#options;
    await this.#change(command, async () => {
      steps.reached("resource.deleting");
      await commands.delete(command);
      steps.reached("resource.deleted");
    });
  }

  /**
   * False if the object was not as it was read: the cache then has it as it is, and the key is due again.
   * Throws if the cache cannot have it yet: it is tried again with back-off, or when the watch brings it.
   */
  async #change(command: EdgeCommand, change: () => Promise<void>): Promise<boolean> {
    const { commands, errors, requeue } = this.#options;
    try {
      await change();
      return true;
    } catch (thrown) {
      if (!errors.isConflict(thrown) && !errors.isNotFound(thrown)) throw thrown;
      const live = await commands.getLive(command.metadata.namespace, command.metadata.name);
      // On a 404 the watch brings the deletion, and with it the key.
      if (live === undefined) return false;
      // It is as it was read: that is not why, and would be so again at once.
      if (live.metadata.resourceVersion === command.metadata.resourceVersion) throw thrown;
      const key = objectKey(command.metadata);
      if (commands.get(key)?.metadata.resourceVersion !== live.metadata.resourceVersion)
        throw thrown;
      requeue(key);
      return false;
    }
  }

  async #refuseToRead(command: EdgeCommand, problem: string): Promise<void> {
    const now = timestampOf(this.#options.clock.now());
    if (command.status.observedGeneration === command.metadata.generation) return;
    this.#options.logger.warn({ command: objectKey(command.metadata), problem }, "spec unreadable");
    await this.#options.commands.updateStatus(command, unreadableStatus(command, problem, now));
  }
}

function ownership(
  { report, node, nodeNamespace }: PendingReport,
  { metadata, spec }: EdgeCommand,
): "mine" | "foreign" | "forged" {
  if (report.uid !== metadata.uid) return "foreign";
  const isOfItsNode = node === spec.nodeName && nodeNamespace === metadata.namespace;
  return isOfItsNode ? "mine" : "forged";
}

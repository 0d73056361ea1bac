import type { EdgeCommand } from "../../api/v1alpha1/edgecommand.ts";
import type { Receipt } from "../../protocol/result.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { ResourceStore } from "../ports.ts";
import { NO_STEPS, type Steps } from "../steps.ts";
import type { PendingReport, PendingReports } from "./reports.ts";

export interface ReceiptsOptions {
  readonly commands: ResourceStore<EdgeCommand>;
  readonly reports: PendingReports;
  readonly logger: Logger;
  readonly requeue: (key: string, afterMs?: number) => void;
  readonly steps?: Steps | undefined;
}

/** Tells nodes what became of the results that they sent, and lets go of them. */
export class Receipts {
  readonly #options: ReceiptsOptions;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** To be called when etcd has what they say. */
  stored(key: string, pending: readonly PendingReport[]): void {
    this.#give(key, pending, "stored");
  }

  /** Nobody speaks for another node's command. */
  refuse(key: string, forged: readonly PendingReport[]): void {
    for (const pending of forged) {
      const { node } = pending;
      this.#options.logger.warn({ command: key, node }, "a node reported another node's command");
      this.#answer(pending, {
        receipt: "refused",
        message: "payload.uid: a command of another node",
      });
    }
    this.#options.reports.settle(key, forged);
  }

  /**
   * Reports on another uid than the cached one. Only a live read may say that their resource is gone; it
   * may also bring a resource that the watch has not brought yet.
   */
  async settleForeign(key: string, foreign: readonly PendingReport[]): Promise<void> {
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
    this.#give(key, orphaned, "orphaned");
    if (orphaned.length === foreign.length) return;
    if (commands.get(key)?.metadata.uid !== live?.metadata.uid) {
      throw new Error("the cache does not have the live resource yet");
    }
    requeue(key);
  }

  #give(key: string, pending: readonly PendingReport[], receipt: "stored" | "orphaned"): void {
    for (const each of pending) this.#answer(each, { receipt, runID: each.report.runID });
    this.#options.reports.settle(key, pending);
  }

  #answer({ giveReceipt }: PendingReport, receipt: Receipt): void {
    if (giveReceipt === undefined) return;
    const { steps = NO_STEPS } = this.#options;
    steps.reached("receipt.sending");
    giveReceipt(receipt);
    steps.reached("receipt.sent");
  }
}

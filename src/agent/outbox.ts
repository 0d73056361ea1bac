import type { Bus } from "../protocol/bus.ts";
import {
  decodeReply,
  encodeMessage,
  MalformedMessageError,
  UntrustedMessageError,
} from "../protocol/envelope.ts";
import { receiptMessage, resultMessage, type Receipt, type Result } from "../protocol/result.ts";
import type { RunReport } from "../protocol/run.ts";
import { eventSubject } from "../protocol/subjects.ts";
import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ErrorKernel } from "../runtime/errorkernel.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { WorkQueue } from "../runtime/workqueue.ts";
import { aborted } from "../runtime/aborted.ts";
import type { Ledger } from "./ledger.ts";
import type { AgentSecurity } from "./security.ts";
import { NO_STEPS, type Steps } from "./steps.ts";
import type { UntrustedReports } from "./untrusted-reports.ts";

/** Results that wait for their receipt at the same time. */
const IN_FLIGHT = 16;
/** A receipt follows a write to etcd. */
const RECEIPT_TIMEOUT_MS = 10_000;
const RETRY: BackoffPolicy = { initialMs: 1_000, maxMs: 30_000 };
/** What the broker or the controller cannot take may suit a later version of them. */
const REFUSED_RETRY_MS = 600_000;

export interface OutboxOptions {
  readonly node: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly kernel: ErrorKernel;
  readonly ledger: Ledger;
  readonly security: Pick<AgentSecurity, "signers" | "trust">;
  readonly untrusted: UntrustedReports;
  readonly steps?: Steps;
}

/**
 * Sends results until the controller has confirmed each, over restarts of either side. The ledger says
 * what is owed; this only keeps the pace.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #tries = new Map<string, number>();
  readonly #refused = new Set<string>();
  #queue: WorkQueue | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** A result is in the ledger. */
  due(runID: string): void {
    this.#queue?.add(runID);
  }

  /** The controller seems to be there: whatever is owed is sent at once. */
  sendAll(): void {
    for (const runID of this.#options.ledger.read.resultsWithoutReceipt()) {
      if (!this.#refused.has(runID)) this.#queue?.add(runID);
    }
  }

  /** The supervised process. */
  async run(signal: AbortSignal): Promise<void> {
    const { bus, clock, random, kernel } = this.#options;
    const queue = new WorkQueue({
      clock,
      random,
      concurrency: IN_FLIGHT,
      work: (runID) => this.#send(runID, signal),
      onError: (_, thrown) => kernel.report({ process: "outbox", severity: "warning", thrown }),
    });
    this.#queue = queue;
    const ignore = bus.onConnectedChange((connected) => {
      if (connected) this.sendAll();
    });
    this.sendAll();
    await aborted(signal);
    ignore();
    this.#queue = undefined;
    await queue.stop();
  }

  async #send(runID: string, signal: AbortSignal): Promise<void> {
    const { bus, node, ledger, security, steps = NO_STEPS } = this.#options;
    const { clusterID } = ledger;
    // Before the first contact there is nobody to owe it to; the first hello sends everything.
    if (clusterID === undefined || !ledger.read.owesResult(runID)) return;
    const result = asResult(ledger.read.report(runID), { clusterID, node });
    const data = encodeMessage(resultMessage, result, security.signers);
    steps.reached("result.sending");
    const outcome = await bus.request(eventSubject(node, "result"), data, {
      timeoutMs: RECEIPT_TIMEOUT_MS,
      signal,
    });
    if (signal.aborted) return;
    const receipt =
      outcome.kind === "reply" ? this.#receiptFor(runID, outcome.data, data) : undefined;
    if (outcome.kind === "tooLarge") this.#putOff(runID, `over ${outcome.maxBytes} bytes`);
    else if (receipt === undefined) this.#later(runID);
    else if (receipt.receipt === "refused") this.#putOff(runID, receipt.message);
    else await this.#confirmed(result);
  }

  async #confirmed(result: Result): Promise<void> {
    const { ledger, steps = NO_STEPS } = this.#options;
    this.#tries.delete(result.runID);
    this.#refused.delete(result.runID);
    steps.reached("receipt.committing");
    await ledger.commit((tables) => tables.markReceipted(result));
    steps.reached("receipt.committed");
    // It may have been adopted meanwhile, and be owed to another resource.
    if (ledger.read.owesResult(result.runID)) this.due(result.runID);
  }

  /** A receipt for another run, or none that can be read and believed, is none. */
  #receiptFor(runID: string, data: Uint8Array, request: Uint8Array): Receipt | undefined {
    const { security, untrusted } = this.#options;
    try {
      const receipt = decodeReply(receiptMessage, data, { request, trust: security.trust });
      return receipt.receipt === "refused" || receipt.runID === runID ? receipt : undefined;
    } catch (thrown) {
      if (!(thrown instanceof MalformedMessageError)) throw thrown;
      if (thrown instanceof UntrustedMessageError) {
        untrusted.report("outbox", receiptMessage.name, thrown);
      }
      return undefined;
    }
  }

  #later(runID: string): void {
    const tries = this.#tries.get(runID) ?? 0;
    this.#tries.set(runID, tries + 1);
    this.#queue?.addAfter(runID, backoffMs(RETRY, tries, this.#options.random));
  }

  #putOff(runID: string, message: string): void {
    if (!this.#refused.has(runID)) {
      this.#options.logger.error({ runID }, `this result cannot be delivered: ${message}`);
    }
    this.#refused.add(runID);
    this.#queue?.addAfter(runID, REFUSED_RETRY_MS);
  }
}

function asResult(
  { result, ...report }: RunReport,
  from: { readonly clusterID: string; readonly node: string },
): Result {
  if (result === undefined) throw new TypeError(`run ${report.runID} has no result`);
  return { ...report, ...from, state: "Finished", result };
}

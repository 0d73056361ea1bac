import { objectKey } from "../../api/meta.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Random } from "../../runtime/random.ts";
import { Semaphore } from "../../runtime/semaphore.ts";
import { afterOffer, type Answered, type OfferOutcome } from "./answer.ts";
import type { Exchanges } from "./exchanges.ts";
import type { Addressing } from "./message.ts";
import type { Nodes } from "./nodes.ts";
import type { Observed } from "./observe.ts";
import { makeOffer, type OfferDeps } from "./offer.ts";
import type { Offer } from "./offering.ts";
import type { PendingReports } from "./reports.ts";

const MAX_LIVE_READS = 16;
const NO_ROOM_DELAY_MS = 10_000;

export interface OfferMakerOptions extends Omit<OfferDeps, "liveReads"> {
  readonly nodes: Nodes;
  readonly reports: PendingReports;
  readonly exchanges: Exchanges;
  readonly clusterID: () => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Puts the key into the work queue, now or after a while. */
  readonly requeue: (key: string, afterMs?: number) => void;
}

/** Makes the offers that were planned, beside the work queue: silent nodes hold up nobody. */
export class OfferMaker {
  readonly #options: OfferMakerOptions;
  readonly #liveReads = new Semaphore(MAX_LIVE_READS);

  constructor(options: OfferMakerOptions) {
    this.#options = options;
  }

  /** Resolves when its answer is taken note of, and the key is in the work queue. */
  async make(observed: Observed, offer: Offer): Promise<void> {
    const { exchanges, clock, random, logger, requeue } = this.#options;
    const { metadata, spec } = observed.command;
    const key = objectKey(metadata);
    const exchange = {
      ...observed.exchange,
      inFlight: true,
      tries: observed.exchange.tries + 1,
      firstTryAt: observed.exchange.firstTryAt ?? observed.monotonic,
    };
    exchanges.begin(key, metadata, exchange);
    const outcome = await this.#send(observed, offer);
    const { message, sessionID, readLive } = offer;
    const context = {
      exchange,
      message,
      sessionID,
      readLive,
      monotonic: clock.monotonic(),
      random,
    };
    const after = afterOffer(outcome, context);
    exchanges.update(key, metadata, { inFlight: false, ...after.exchange });
    logger.debug(
      {
        command: key,
        node: spec.nodeName,
        generation: metadata.generation,
        message,
        outcome: outcome.kind,
        tries: exchange.tries,
      },
      "command offered",
    );
    this.#follow(observed, after);
    requeue(key);
  }

  #send(observed: Observed, offer: Offer): Promise<OfferOutcome> {
    const { clusterID, clock } = this.#options;
    const { message, run, sessionID, ledgerSince, takesOver, readLive, sealingKey } = offer;
    const now = clock.now();
    const to: Addressing = { clusterID: clusterID(), sessionID, ledgerSince, run, takesOver, now };
    return makeOffer(
      { ...this.#options, liveReads: this.#liveReads },
      {
        message,
        command: observed.command,
        to,
        sealingKey,
        readLive,
        isSameNode: () => this.#isSameNode(observed, offer),
        isRepeated: observed.exchange.tries > 0,
      },
    );
  }

  #isSameNode({ command: { metadata, spec } }: Observed, offer: Offer): boolean {
    const view = this.#options.nodes.view(metadata.namespace, spec.nodeName);
    if (view.kind !== "present") return false;
    return view.sessionID === offer.sessionID && view.sealingKey === offer.sealingKey;
  }

  #follow({ command }: Observed, after: Answered): void {
    const { exchanges, reports, nodes, clock } = this.#options;
    const { metadata, spec } = command;
    const key = objectKey(metadata);
    if (after.finished !== undefined) {
      const pending = {
        report: after.finished,
        node: spec.nodeName,
        nodeNamespace: metadata.namespace,
        giveReceipt: undefined,
      };
      // No room for it: the node is asked again, not at once.
      if (!reports.put(key, pending)) {
        exchanges.update(key, metadata, { dueAt: clock.monotonic() + NO_ROOM_DELAY_MS });
      }
    }
    if (after.nodeIsGone === true) nodes.markUnreachable(metadata.namespace, spec.nodeName);
    if (after.askForHello === true) nodes.askForHello(spec.nodeName);
  }
}

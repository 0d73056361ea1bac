import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { WorkQueue } from "../runtime/workqueue.ts";
import type { ControllerRecorder } from "./ports.ts";

/** How many keys of one queue are worked on at once. */
const CONCURRENCY = 16;

export interface ReconcileQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly recorder?: ControllerRecorder | undefined;
  /** Asked before every pass. */
  readonly mayAct: () => boolean;
}

/** A work queue for passes over one kind, with their metrics. A pass resolves to whether its key is due again. */
export function reconcileQueue(
  kind: string,
  reconcile: (key: string) => Promise<boolean>,
  { clock, random, logger, recorder, mayAct }: ReconcileQueueOptions,
): WorkQueue {
  const name = kind.toLowerCase();
  const passes = recorder?.reconciler(name, CONCURRENCY);
  const work = async (key: string): Promise<void> => {
    if (!mayAct()) return;
    const ended = passes?.started();
    try {
      const isDueAgain = await reconcile(key);
      ended?.(isDueAgain ? "requeue_after" : "success");
    } catch (thrown) {
      ended?.("error");
      throw thrown;
    }
  };
  return new WorkQueue({
    clock,
    random,
    concurrency: CONCURRENCY,
    work,
    ...(recorder === undefined ? {} : { recorder: recorder.workQueue(name) }),
    onError: (key, thrown) => {
      logger.warn({ kind, key, err: thrown }, `reconcile failed: ${errorMessage(thrown)}`);
    },
  });
}

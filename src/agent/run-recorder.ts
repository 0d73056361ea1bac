import { timestampOf } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { afterAttempt, type Following } from "./after-attempt.ts";
import type { ControllerClock } from "./controller-clock.ts";
import { dueRunOf, type DueRun } from "./dispatcher.ts";
import type { OpenRun } from "./ledger-run.ts";
import type { Ledger } from "./ledger.ts";
import type { Method } from "./methods/method.ts";
import { rejectionOf } from "./rejection.ts";
import { withoutFurtherAttempt, type RunEnd } from "./run-end.ts";
import type { RunSpool } from "./run-spool.ts";
import type { Steps } from "./steps.ts";

export interface RunRecorderOptions {
  readonly methods: readonly Method[];
  readonly ledger: Ledger;
  readonly spool: Pick<RunSpool, "remove">;
  readonly controllerClock: ControllerClock;
  readonly random: Random;
  readonly logger: Logger;
  readonly steps: Steps;
  /** Called when a result is on the disk. */
  readonly onResult: (runID: string) => void;
  /** Called when a run is accepted again, to be started from a moment of the controller's time on. */
  readonly onWaiting: (run: DueRun, notBefore?: string, maxPauseMs?: number) => void;
}

/** Writes down how an attempt ended, and sees to what follows from that. */
export class RunRecorder {
  readonly #options: RunRecorderOptions;

  constructor(options: RunRecorderOptions) {
    this.#options = options;
  }

  /** Waits for the controller's time if that is not known yet. */
  async ended(run: OpenRun, end: RunEnd): Promise<void> {
    const { controllerClock, random } = this.#options;
    await controllerClock.known;
    const attempt = { ...run, isInstant: this.#isInstant(run) };
    const now = Date.parse(controllerClock.timestamp());
    const following = afterAttempt(end, attempt, now, random);
    if (following.kind === "retry") await this.#retried(run, following);
    else await this.#finished(run, following.end);
  }

  /** An attempt that was committed to was not made, and will not be. */
  async neverStarted(run: OpenRun): Promise<void> {
    const { ledger, steps } = this.#options;
    steps.reached("neverStarted.committing");
    const waits = await ledger.commit((tables) => tables.neverStarted(run.runID));
    steps.reached("neverStarted.committed");
    // The next attempt has the number of this one, and needs a folder that nobody has claimed.
    await this.#removeFiles(run);
    await this.#follow(run, waits);
  }

  /** A run is accepted, and may have had attempts: it is started when it may be, if this agent can do it. */
  async accepted(run: OpenRun): Promise<void> {
    const { methods, ledger, controllerClock, onWaiting, onResult } = this.#options;
    const { runID, lastEnd } = run;
    const rejection = rejectionOf(run.work, methods);
    if (rejection === undefined) {
      onWaiting(dueRunOf(run), run.notBefore, run.terms.retry.maxBackoffMs);
      return;
    }
    await controllerClock.known;
    const end =
      lastEnd === undefined
        ? { ...rejection, finishedAt: controllerClock.timestamp() }
        : withoutFurtherAttempt(lastEnd, "the node cannot do this any more");
    await ledger.commit((tables) => tables.finish(runID, end));
    onResult(runID);
  }

  async #retried(run: OpenRun, { end, notBefore }: Extract<Following, { kind: "retry" }>) {
    const { ledger, steps } = this.#options;
    const result = { ...end, finishedAt: this.#finishTime(end) };
    const from = timestampOf(notBefore);
    steps.reached("retry.committing");
    const waits = await ledger.commit((tables) => tables.awaitRetry(run.runID, result, from));
    steps.reached("retry.committed");
    await this.#removeFiles(run);
    await this.#follow(run, waits);
  }

  async #finished(run: OpenRun, end: RunEnd): Promise<void> {
    const { ledger, steps, onResult } = this.#options;
    const result = { ...end, finishedAt: this.#finishTime(end) };
    steps.reached("result.committing");
    await ledger.commit((tables) => tables.finish(run.runID, result));
    steps.reached("result.committed");
    onResult(run.runID);
    await this.#removeFiles(run);
  }

  /** One that was withdrawn meanwhile is over. */
  async #follow({ runID }: OpenRun, waits: boolean): Promise<void> {
    const { ledger, onResult } = this.#options;
    const run = waits ? ledger.read.openRun(runID) : undefined;
    if (run === undefined) onResult(runID);
    else await this.accepted(run);
  }

  /** When the process ended, where one ran under this agent's eyes; its output may have taken longer. */
  #finishTime({ startedAt, durationMs }: RunEnd): string {
    if (startedAt === undefined || durationMs === undefined) {
      return this.#options.controllerClock.timestamp();
    }
    return timestampOf(Date.parse(startedAt) + durationMs);
  }

  /** What cannot be removed now is when an agent starts. */
  async #removeFiles(run: OpenRun): Promise<void> {
    const { spool, logger, steps } = this.#options;
    if (this.#isInstant(run)) return;
    try {
      await spool.remove(run.runID);
      steps.reached("spool.removed");
    } catch (thrown) {
      const fields = { runID: run.runID };
      logger.warn(fields, `the files of a run cannot be removed: ${errorMessage(thrown)}`);
    }
  }

  #isInstant({ work }: OpenRun): boolean {
    const method = this.#options.methods.find(({ name }) => name === work.method);
    return method?.instant === true;
  }
}

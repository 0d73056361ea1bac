import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { environmentOf, type Account } from "./base-environment.ts";
import type { ControllerClock } from "./controller-clock.ts";
import { EndRequest } from "./end-request.ts";
import type { OpenRun } from "./ledger-run.ts";
import type { LedgerTables } from "./ledger-tables.ts";
import type { Ledger } from "./ledger.ts";
import { MethodError } from "./method-error.ts";
import type { Method } from "./methods/method.ts";
import {
  reattachProcess,
  runProcess,
  type ProcessOwner,
  type ProcessRunnerOptions,
  type ReattachedSpec,
} from "./process-runner.ts";
import {
  START_DEADLINE_EXCEEDED,
  unstarted,
  withoutFurtherAttempt,
  type EndCause,
  type RunEnd,
} from "./run-end.ts";
import type { RunRecorder } from "./run-recorder.ts";
import type { RunSpool } from "./run-spool.ts";
import type { Steps } from "./steps.ts";

/** While the system does not let the agent look at the files of an attempt. */
const REATTACHMENT: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };

export interface RunExecutorOptions {
  readonly node: string;
  readonly bootID: string;
  readonly agentVersion: string;
  readonly killGraceMs: number;
  readonly maxOutputBytes?: number | undefined;
  readonly account: Account;
  readonly methods: readonly Method[];
  readonly ledger: Ledger;
  readonly spool: RunSpool;
  readonly clock: Clock;
  readonly controllerClock: ControllerClock;
  readonly random: Random;
  readonly logger: Logger;
  readonly steps: Steps;
  readonly recorder: RunRecorder;
  /** Called when a result is on the disk that was no attempt's. */
  readonly onResult: (runID: string) => void;
}

/**
 * An attempt of a run: from Accepted to its end, or from where an earlier agent left it.
 *
 * INVARIANTS
 * - The start deadline is checked, and STARTING committed, before anything of an attempt is done.
 * - A run that is not Accepted in the ledger at that moment is left alone.
 * - An attempt has its time from the commit of STARTING on, whichever agent sees its end.
 * - After `stop` nothing is started any more. What is under way goes on without this agent.
 */
export class RunExecutor {
  readonly #options: RunExecutorOptions;
  readonly #live = new Map<string, EndRequest>();
  #isStopped = false;

  constructor(options: RunExecutorOptions) {
    this.#options = options;
  }

  /** Resolves when the attempt is over and its end recorded. Throws a MethodError after that. */
  async execute(runID: string): Promise<void> {
    await this.#own(runID, (end) => this.#execute(runID, end));
  }

  /** The same for an attempt that an earlier agent of this boot had committed to. */
  async reattach(runID: string): Promise<void> {
    await this.#own(runID, (end) => this.#reattach(runID, end));
  }

  /** Ends a run that is under way. It is over when `execute` has resolved. */
  end(runID: string, cause: EndCause): void {
    this.#live.get(runID)?.end(cause);
  }

  /** Starts nothing more, and lets go of what is under way: the next agent takes it up. */
  stop(): void {
    this.#isStopped = true;
  }

  async #own(runID: string, work: (end: EndRequest) => Promise<void>): Promise<void> {
    if (this.#live.has(runID)) return;
    const end = new EndRequest();
    this.#live.set(runID, end);
    try {
      await work(end);
    } finally {
      this.#live.delete(runID);
    }
  }

  async #execute(runID: string, end: EndRequest): Promise<void> {
    const { ledger, recorder, steps, onResult } = this.#options;
    const begun = await ledger.commit((tables) => this.#begin(tables, runID));
    if (begun === "expired") onResult(runID);
    // Committed to and not begun: the next agent finds that out.
    if (typeof begun === "string" || this.#isStopped) return;
    steps.reached("starting.committed");
    const { runEnd, thrown } = await this.#perform(begun, end);
    steps.reached("exit.noticed");
    await recorder.ended(begun, runEnd);
    if (thrown !== undefined) throw thrown;
  }

  #begin(tables: LedgerTables, runID: string): OpenRun | "nothing" | "expired" {
    const { bootID, clock, controllerClock, steps } = this.#options;
    const run = tables.openRun(runID);
    if (run?.state !== "Accepted" || this.#isStopped) return "nothing";
    if (isPast(run.terms.startBy, controllerClock)) {
      tables.finish(runID, expired(run, controllerClock.timestamp()));
      return "expired";
    }
    steps.reached("starting.committing");
    tables.markStarting(runID, { bootID, startingAt: clock.monotonic() });
    return tables.openRun(runID) ?? "nothing";
  }

  async #perform(run: OpenRun, end: EndRequest): Promise<Performed> {
    const { methods, agentVersion } = this.#options;
    let isForked = false;
    const onForked = (): void => {
      isForked = true;
      this.#forked(run);
    };
    try {
      const method = methods.find(({ name }) => name === run.work.method);
      if (method === undefined) throw new RangeError("the method is gone");
      const runEnd = await method.run({
        work: run.work,
        terms: run.terms,
        agentVersion,
        process: (argv) => this.#runProcess(run, argv, { end, onForked }),
      });
      return { runEnd: isForked ? this.#withStartTime(run, runEnd) : runEnd };
    } catch (thrown) {
      const error = new MethodError(run.work.method, run.runID, thrown);
      return { runEnd: this.#withStartTime(run, error.end(isForked)), thrown: error };
    }
  }

  #runProcess(
    run: OpenRun,
    argv: readonly [string, ...string[]],
    owner: ProcessOwner,
  ): Promise<RunEnd> {
    const { node, account, steps } = this.#options;
    const env = environmentOf({ ...run, node }, run.work.env, account);
    steps.reached("wrapper.spawning");
    return runProcess({ ...processOf(run), argv, env, work: run.work }, owner, this.#processes());
  }

  async #reattach(runID: string, end: EndRequest): Promise<void> {
    const { ledger, bootID, controllerClock, recorder, steps } = this.#options;
    const run = ledger.read.openRun(runID);
    if (run === undefined || run.state === "Accepted" || run.bootID !== bootID) return;
    if (run.ending !== undefined) end.end(run.ending);
    steps.reached("reattachment.beginning");
    const runEnd = await this.#reattached(run, end);
    if (runEnd === "neverStarted") {
      await recorder.neverStarted(run);
      return;
    }
    steps.reached("exit.noticed");
    await controllerClock.known;
    await recorder.ended(run, this.#withStartTime(run, runEnd));
  }

  async #reattached(run: OpenRun, end: EndRequest): Promise<RunEnd | "neverStarted"> {
    const { clock, random, logger } = this.#options;
    const owner = { end, onForked: () => this.#forked(run) };
    for (let failures = 0; ; failures += 1) {
      try {
        return await reattachProcess(processOf(run), owner, this.#processes());
      } catch (thrown) {
        if (this.#isStopped) throw thrown;
        const text = `what became of a run cannot be found out now: ${errorMessage(thrown)}`;
        logger.warn({ runID: run.runID }, text);
        await clock.sleep(backoffMs(REATTACHMENT, failures, random));
      }
    }
  }

  #processes(): ProcessRunnerOptions {
    const { clock, killGraceMs, spool, maxOutputBytes } = this.#options;
    return {
      clock,
      killGraceMs,
      spool,
      ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }),
    };
  }

  /** If it cannot be recorded, the ledger's own process is told, and neither will the run's result be. */
  #forked(run: OpenRun): void {
    const { steps } = this.#options;
    steps.reached("wrapper.spawned");
    if (run.state === "Starting") this.#recordRunning(run).catch(() => undefined);
  }

  async #recordRunning(run: OpenRun): Promise<void> {
    const { ledger, controllerClock, steps } = this.#options;
    await controllerClock.known;
    const startedAt = controllerClock.timestampAt(deadlines(run).startingAt);
    steps.reached("running.committing");
    await ledger.commit((tables) => tables.markRunning(run.runID, startedAt));
    steps.reached("running.committed");
  }

  /** Only what was certainly started has a time of that. */
  #withStartTime(run: OpenRun, end: RunEnd): RunEnd {
    if (end.started !== "True") return end;
    const { startingAt } = deadlines(run);
    const startedAt = run.startedAt ?? this.#options.controllerClock.timestampAt(startingAt);
    return { ...end, startedAt };
  }
}

interface Performed {
  readonly runEnd: RunEnd;
  readonly thrown?: MethodError;
}

function processOf(run: OpenRun): ReattachedSpec {
  const { runID, attempts, terms, state } = run;
  const { deadline } = deadlines(run);
  return { runID, attempt: attempts, terms, deadline, wasForked: state === "Running" };
}

/** On the monotonic clock of the boot of the attempt. */
function deadlines({ startingAt, terms }: OpenRun): { startingAt: number; deadline: number } {
  if (startingAt === undefined) throw new TypeError("the attempt was never committed to");
  return { startingAt, deadline: startingAt + terms.timeoutMs };
}

/** The end of a run whose start deadline has passed: what it came to before stays true. */
function expired({ lastEnd }: OpenRun, finishedAt: string): RunEnd & { finishedAt: string } {
  if (lastEnd === undefined) return { ...unstarted(START_DEADLINE_EXCEEDED), finishedAt };
  return withoutFurtherAttempt(lastEnd, "its start deadline passed");
}

/** No start deadline never passes. */
function isPast(startBy: string | undefined, clock: ControllerClock): boolean {
  const now = clock.now();
  return startBy !== undefined && !(now !== undefined && now <= Date.parse(startBy));
}

import { backoffMs, type BackoffPolicy } from "../runtime/backoff.ts";
import { timestampOf, type Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { environmentOf } from "./base-environment.ts";
import type { CommandPermits, Permission } from "./command-permits.ts";
import type { ControllerClock } from "./controller-clock.ts";
import { dueRunOf, type DueRun } from "./dispatcher.ts";
import { EndRequest } from "./end-request.ts";
import type { OpenRun } from "./ledger-run.ts";
import type { LedgerTables } from "./ledger-tables.ts";
import type { Ledger } from "./ledger.ts";
import { MethodError } from "./method-error.ts";
import type { Method } from "./methods/method.ts";
import type { Standing } from "./privileges.ts";
import {
  reattachProcess,
  runProcess,
  type ProcessOwner,
  type ProcessRunnerOptions,
  type ReattachedSpec,
} from "./process-runner.ts";
import type { EndCause, RunEnd } from "./run-end.ts";
import type { RunRecorder } from "./run-recorder.ts";
import { startOf } from "./run-start.ts";
import type { RunSpool } from "./run-spool.ts";
import { openedRun, type OpenedRun } from "./sealed-work.ts";
import type { AgentSecurity } from "./security.ts";
import type { Steps } from "./steps.ts";

/** While the system does not let the agent look at the files of an attempt. */
const REATTACHMENT: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };
/** While the node's policy cannot be used. */
const UNDECIDED_PAUSE_MS = 10_000;

export interface RunExecutorOptions {
  readonly node: string;
  readonly bootID: string;
  readonly agentVersion: string;
  readonly killGraceMs: number;
  readonly maxOutputBytes?: number | undefined;
  /** Asked before each attempt. */
  readonly permits: Pick<CommandPermits, "permission">;
  /** Opens the secrets of a run, right before each of its attempts. */
  readonly security: Pick<AgentSecurity, "sealingKey">;
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
  /** Called with a run that cannot be started before a moment of the controller's time. */
  readonly onWaiting: (run: DueRun, notBefore: string, maxPauseMs: number) => void;
}

/**
 * An attempt of a run: from Accepted to its end, or from where an earlier agent left it.
 *
 * INVARIANTS
 * - The start deadline and the node's policy are checked, and STARTING committed, before anything of an attempt
 *   is done.
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
    const { ledger, recorder, permits, steps, onResult } = this.#options;
    const waiting = ledger.read.openRun(runID);
    if (waiting?.state !== "Accepted") return;
    const permission = await permits.permission(waiting.work, waiting.terms);
    const begun = await ledger.commit((tables) => this.#begin(tables, runID, permission));
    if (begun === "over") onResult(runID);
    if (begun === "wait") this.#wait(waiting);
    // Committed to and not begun: the next agent finds that out.
    if (typeof begun === "string" || this.#isStopped) return;
    steps.reached("starting.committed");
    const { runEnd, thrown } = await this.#perform(begun, end);
    steps.reached("exit.noticed");
    await recorder.ended(begun, runEnd);
    if (thrown !== undefined) throw thrown;
  }

  #begin(
    tables: LedgerTables,
    runID: string,
    permission: Permission,
  ): BegunRun | "nothing" | "over" | "wait" {
    const { bootID, clock, controllerClock, methods, steps } = this.#options;
    const run = tables.openRun(runID);
    if (run?.state !== "Accepted" || this.#isStopped) return "nothing";
    const start = startOf(run, {
      isPast: isPast(run.terms.startBy, controllerClock),
      permission,
      methods,
      open: () => this.#opened(run),
    });
    if (start.kind === "wait") return "wait";
    if (start.kind === "over") {
      tables.finish(runID, { finishedAt: controllerClock.timestamp(), ...start.end });
      return "over";
    }
    steps.reached("starting.committing");
    tables.markStarting(runID, { bootID, startingAt: clock.monotonic() });
    const begun = tables.openRun(runID);
    if (begun === undefined) return "nothing";
    return { ...start.run, ...begun, work: start.run.work, standing: start.standing };
  }

  /** Nothing is lost by waiting: whether it may be started is asked again. */
  #wait(run: OpenRun): void {
    const { controllerClock, onWaiting } = this.#options;
    const again = Date.parse(controllerClock.timestamp()) + UNDECIDED_PAUSE_MS;
    onWaiting(dueRunOf(run), timestampOf(again), UNDECIDED_PAUSE_MS);
  }

  #opened(run: OpenRun): OpenedRun | "unreadable" {
    const { ledger, security } = this.#options;
    return openedRun(run, ledger.read.sealed(run.runID), security.sealingKey);
  }

  async #perform(run: BegunRun, end: EndRequest): Promise<Performed> {
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
    run: BegunRun,
    argv: readonly [string, ...string[]],
    owner: ProcessOwner,
  ): Promise<RunEnd> {
    const { node, steps } = this.#options;
    const { standing, redaction, work } = run;
    if (standing === undefined) throw new TypeError("an instant method has no process");
    const env = environmentOf({ ...run, node }, work.env, standing.account);
    steps.reached("wrapper.spawning");
    const process = { ...processOf(run), standing, argv, env, work, redaction };
    return runProcess(process, owner, this.#processes());
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
    const opened = this.#opened(run);
    const redaction = opened === "unreadable" ? "withheld" : opened.redaction;
    for (let failures = 0; ; failures += 1) {
      try {
        return await reattachProcess({ ...processOf(run), redaction }, owner, this.#processes());
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

/** A run with an attempt that was committed to. */
interface BegunRun extends OpenedRun {
  readonly standing: Standing | undefined;
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

/** No start deadline never passes. */
function isPast(startBy: string | undefined, clock: ControllerClock): boolean {
  const now = clock.now();
  return startBy !== undefined && !(now !== undefined && now <= Date.parse(startBy));
}

import type { Clock } from "../runtime/clock.ts";
import { environmentOf, type Account } from "./base-environment.ts";
import type { ControllerClock } from "./controller-clock.ts";
import { EndRequest } from "./end-request.ts";
import type { OpenRun } from "./ledger-run.ts";
import type { LedgerTables } from "./ledger-tables.ts";
import type { Ledger } from "./ledger.ts";
import { MethodError } from "./method-error.ts";
import type { Method } from "./methods/method.ts";
import { runProcess } from "./process-runner.ts";
import { START_DEADLINE_EXCEEDED, unstarted, type EndCause, type RunEnd } from "./run-end.ts";

export interface RunExecutorOptions {
  readonly node: string;
  readonly bootID: string;
  readonly agentVersion: string;
  readonly killGraceMs: number;
  readonly account: Account;
  readonly methods: readonly Method[];
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly controllerClock: ControllerClock;
  /** Called when a result is on the disk. */
  readonly onResult: (runID: string) => void;
}

interface Live {
  readonly end: EndRequest;
  readonly over: Promise<void>;
}

/**
 * The life of a run from Accepted to Finished.
 *
 * INVARIANTS
 * - Its start deadline is checked, and STARTING committed, before anything of it is done.
 * - A run that is not Accepted in the ledger at that moment is left alone.
 * - After `stop` nothing is started any more; what was accepted stays for the next agent.
 */
export class RunExecutor {
  readonly #options: RunExecutorOptions;
  readonly #live = new Map<string, Live>();
  #stopped = false;

  constructor(options: RunExecutorOptions) {
    this.#options = options;
  }

  /** Resolves when the run is over and its result recorded. Throws a MethodError after that. */
  async execute(runID: string): Promise<void> {
    const end = new EndRequest();
    const executed = this.#execute(runID, end);
    this.#live.set(runID, { end, over: executed.catch(() => undefined) });
    try {
      await executed;
    } finally {
      this.#live.delete(runID);
    }
  }

  /** Ends a run that is under way. It is over when `execute` has resolved. */
  end(runID: string, cause: EndCause): void {
    this.#live.get(runID)?.end.end(cause);
  }

  /** Ends all runs that are under way and starts none; resolves when they are over. */
  async stop(cause: EndCause): Promise<void> {
    this.#stopped = true;
    for (const { end } of this.#live.values()) end.end(cause);
    await Promise.all(Array.from(this.#live.values(), ({ over }) => over));
  }

  async #execute(runID: string, end: EndRequest): Promise<void> {
    const { ledger, controllerClock, onResult } = this.#options;
    const begun = await ledger.commit((tables) => this.#begin(tables, runID));
    if (begun === "over") return;
    const ended = begun === "expired" ? undefined : await this.#perform(begun, end);
    if (ended !== undefined) {
      const result = { ...ended.end, finishedAt: finishTime(ended.end, controllerClock) };
      await ledger.commit((tables) => tables.finish(runID, result));
    }
    onResult(runID);
    if (ended?.thrown !== undefined) throw ended.thrown;
  }

  #begin(tables: LedgerTables, runID: string): OpenRun | "over" | "expired" {
    const { bootID, controllerClock } = this.#options;
    const run = tables.openRun(runID);
    if (run?.state !== "Accepted" || this.#stopped) return "over";
    if (isPast(run.terms.startBy, controllerClock)) {
      const finishedAt = controllerClock.timestamp();
      tables.finish(runID, { ...unstarted(START_DEADLINE_EXCEEDED), finishedAt });
      return "expired";
    }
    tables.markStarting(runID, bootID);
    return run;
  }

  async #perform(run: OpenRun, end: EndRequest): Promise<Performed> {
    const { methods, agentVersion, controllerClock } = this.#options;
    let startedAt: string | undefined;
    const started = (): void => {
      startedAt ??= controllerClock.timestamp();
      this.#recordRunning(run.runID, startedAt);
    };
    const withStart = (runEnd: RunEnd): RunEnd =>
      startedAt === undefined ? runEnd : { ...runEnd, startedAt };
    try {
      const method = methods.find(({ name }) => name === run.work.method);
      if (method === undefined) throw new RangeError("the method is gone");
      const runEnd = await method.run({
        work: run.work,
        terms: run.terms,
        agentVersion,
        process: (argv) => this.#runProcess(run, argv, { end, onForked: started }),
      });
      return { end: withStart(runEnd) };
    } catch (thrown) {
      const error = new MethodError(run.work.method, run.runID, thrown);
      return { end: withStart(error.end(startedAt !== undefined)), thrown: error };
    }
  }

  #runProcess(
    run: OpenRun,
    argv: readonly [string, ...string[]],
    owner: { readonly end: EndRequest; readonly onForked: () => void },
  ): Promise<RunEnd> {
    const { node, account, clock, killGraceMs } = this.#options;
    const env = environmentOf({ ...run, node }, run.work.env, account);
    const { runID, work, terms } = run;
    return runProcess({ runID, argv, env, work, terms }, owner, { clock, killGraceMs });
  }

  /** If this fails, the ledger's own process is told, and the run's result will not be recorded either. */
  #recordRunning(runID: string, startedAt: string): void {
    const { ledger } = this.#options;
    ledger.commit((tables) => tables.markRunning(runID, startedAt)).catch(() => undefined);
  }
}

interface Performed {
  readonly end: RunEnd;
  readonly thrown?: MethodError;
}

/** When the process ended, where one ran under this agent's eyes; its pipes may have taken longer. */
function finishTime({ startedAt, durationMs }: RunEnd, clock: ControllerClock): string {
  if (startedAt === undefined || durationMs === undefined) return clock.timestamp();
  return new Date(Date.parse(startedAt) + durationMs).toISOString();
}

/** No start deadline never passes. */
function isPast(startBy: string | undefined, clock: ControllerClock): boolean {
  const now = clock.now();
  return startBy !== undefined && !(now !== undefined && now <= Date.parse(startBy));
}

import type { OpenRun } from "./ledger-run.ts";
import type { MethodProcess } from "./method-process.ts";
import type { Method } from "./methods/method.ts";
import type { RunExecutor } from "./run-executor.ts";
import type { RunQueue } from "./run-queue.ts";

/** A run that is to be started, and the row that it is the current run of. */
export interface DueRun {
  readonly runID: string;
  readonly namespace: string;
  readonly name: string;
  readonly method: string;
}

/** A method, and the process that its runs are done in. */
export interface DispatchedMethod {
  readonly method: Method;
  readonly process: MethodProcess;
}

export interface DispatcherOptions {
  readonly queue: RunQueue;
  readonly methods: ReadonlyMap<string, DispatchedMethod>;
  /** For runs that an earlier agent had started, be their method what it may. */
  readonly reattached: MethodProcess;
  readonly executor: Pick<RunExecutor, "execute" | "reattach">;
}

/** Hands runs to the processes of their methods, each in its turn. */
export class Dispatcher {
  readonly #options: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** The method must be one of the node's: other runs are rejected before they get here. */
  dispatch(run: DueRun): void {
    const { queue, methods, executor } = this.#options;
    const found = methods.get(run.method);
    if (found === undefined) throw new RangeError(`there is no method ${run.method}`);
    const { method, process } = found;
    queue.add({
      row: rowOf(run),
      takesSlot: method.instant !== true,
      perform: () => process.do(() => executor.execute(run.runID)),
    });
  }

  /** A run that an earlier agent had started, or was about to. */
  reattach(run: Omit<DueRun, "method">): void {
    const { queue, reattached, executor } = this.#options;
    queue.resume({
      row: rowOf(run),
      takesSlot: true,
      perform: () => reattached.do(() => executor.reattach(run.runID)),
    });
  }
}

export function dueRunOf({ runID, namespace, name, work }: OpenRun): DueRun {
  return { runID, namespace, name, method: work.method };
}

function rowOf({ namespace, name }: Pick<DueRun, "namespace" | "name">): string {
  return `${namespace}/${name}`;
}

import type { MethodProcess } from "./method-process.ts";

/** A run that is to be started, and the row that it is the current run of. */
export interface DueRun {
  readonly runID: string;
  readonly namespace: string;
  readonly name: string;
  readonly method: string;
}

/**
 * Hands runs to the processes of their methods. Runs of one namespace and name go one after the other,
 * in the order in which they came: a run starts only after the one that it replaces has ended.
 */
export class Dispatcher {
  readonly #methods: ReadonlyMap<string, MethodProcess>;
  /** By row, what its next run waits for. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(methods: ReadonlyMap<string, MethodProcess>) {
    this.#methods = methods;
  }

  /** The method must be one of the node's: other runs are rejected before they get here. */
  dispatch({ runID, namespace, name, method }: DueRun): void {
    const process = this.#methods.get(method);
    if (process === undefined) throw new RangeError(`there is no method ${method}`);
    const row = `${namespace}/${name}`;
    const before = this.#last.get(row);
    const over = before === undefined ? process.do(runID) : before.then(() => process.do(runID));
    const forgotten = over.then(() => {
      if (this.#last.get(row) === forgotten) this.#last.delete(row);
    });
    this.#last.set(row, forgotten);
  }
}

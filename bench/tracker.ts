import type { Api, WatchedEvent } from "./api.ts";

/** In it a command has ended, and well: every command of the benchmark does. */
const GOAL = "Succeeded";
const PATIENCE_MS = 30_000;

export interface TrackerOptions {
  readonly api: Api;
  readonly namespace: string;
  /** Called when the watch shows a new command, which is what an operator acts on. */
  readonly onAdded?: (name: string) => void;
  /** Ends everything that waits, with its reason. */
  readonly signal: AbortSignal;
}

export const COMMAND_SPEC = {
  method: "noop",
  args: ["a command of the benchmark", "--and", "more"],
};

interface Waiting {
  readonly createdAt: number;
  readonly ended: PromiseWithResolvers<number>;
}

/**
 * Creates commands and sees by one watch when the status of each tells its end. It counts every change of
 * a status that the watch shows, whoever makes it.
 */
export class Tracker {
  readonly #options: TrackerOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #stop = new AbortController();
  #created = 0;
  #statusWrites = 0;
  #broken: Error | undefined;

  constructor(options: TrackerOptions) {
    this.#options = options;
  }

  /** Begins to watch; to be called once. */
  async start(): Promise<void> {
    const { api, namespace, signal } = this.#options;
    const onAbort = (): void => this.fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true, signal: this.#stop.signal });
    const onEvent = (event: WatchedEvent): void => this.#onEvent(event);
    const { ended } = await api.watchCommands(namespace, onEvent, this.#stop.signal);
    ended.catch((thrown: unknown) => this.fail(thrown));
  }

  stop(): void {
    this.#stop.abort();
  }

  get created(): number {
    return this.#created;
  }

  get statusWrites(): number {
    return this.#statusWrites;
  }

  /**
   * One command, for the next of the nodes, from its create call to the event that shows its end; gives
   * the milliseconds.
   */
  async command(nodes: readonly string[], spec: object = COMMAND_SPEC): Promise<number> {
    if (this.#broken !== undefined) throw this.#broken;
    const { api, namespace } = this.#options;
    const number = this.#created++;
    const name = `command-${number}`;
    const nodeName = nodes[number % nodes.length] ?? "";
    const ended = Promise.withResolvers<number>();
    this.#waiting.set(name, { createdAt: performance.now(), ended });
    const timer = setTimeout(() => {
      ended.reject(new Error(`${namespace}/${name} did not end within ${PATIENCE_MS} ms`));
    }, PATIENCE_MS);
    try {
      // The event may be here before the answer to the call is.
      const [ms] = await Promise.all([
        ended.promise,
        api.createCommand(namespace, name, { ...spec, nodeName }),
      ]);
      return ms;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(name);
    }
  }

  /** Ends everything that waits. */
  fail(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    this.#broken ??= error;
    for (const { ended } of this.#waiting.values()) ended.reject(error);
  }

  #onEvent({ type, object }: WatchedEvent): void {
    const { name } = object.metadata;
    if (type === "ADDED") this.#options.onAdded?.(name);
    if (type !== "MODIFIED") return;
    // Nobody changes anything but the status, and a write that changes nothing makes no event.
    this.#statusWrites += 1;
    const waiting = this.#waiting.get(name);
    if (waiting === undefined || object.status?.phase !== GOAL) return;
    waiting.ended.resolve(performance.now() - waiting.createdAt);
  }
}

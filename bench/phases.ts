import { setTimeout as sleep } from "node:timers/promises";

import type { Api } from "./api.ts";

const LOOK_EVERY_MS = 20;

/** Changes of status in one namespace, as one watch shows them. */
export class Phases {
  readonly #byName = new Map<string, string>();
  readonly #stop = new AbortController();
  #first: number | undefined;
  #last: number | undefined;
  #writes = 0;

  /** Begins to watch. */
  static async of(api: Api, namespace: string, signal: AbortSignal): Promise<Phases> {
    const phases = new Phases();
    const until = AbortSignal.any([signal, phases.#stop.signal]);
    await api.watchCommands(
      namespace,
      ({ type, object }) => {
        if (type === "MODIFIED") phases.#note(object.metadata.name, object.status?.phase ?? "");
      },
      until,
    );
    return phases;
  }

  /** Forgets when changes came, and how many; not what they came to. */
  reset(): void {
    this.#first = undefined;
    this.#last = undefined;
    this.#writes = 0;
  }

  get writes(): number {
    return this.#writes;
  }

  /** Between the first change since the last reset and the latest, in milliseconds. */
  get spanMs(): number {
    return (this.#last ?? 0) - (this.#first ?? 0);
  }

  /** When the latest change came, as `performance.now` counts. */
  get lastAt(): number {
    return this.#last ?? 0;
  }

  count(wanted: ReadonlySet<string>): number {
    return [...this.#byName.values()].filter((phase) => wanted.has(phase)).length;
  }

  /** Resolves when so many are in one of the phases. */
  async reached(count: number, wanted: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    while (this.count(wanted) < count) await sleep(LOOK_EVERY_MS, undefined, { signal });
  }

  stop(): void {
    this.#stop.abort();
  }

  #note(name: string, phase: string): void {
    const now = performance.now();
    this.#first ??= now;
    this.#last = now;
    this.#writes += 1;
    this.#byName.set(name, phase);
  }
}

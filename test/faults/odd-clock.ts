import { rm, writeFile } from "node:fs/promises";

import type { Launch } from "./process.ts";

/** A wall clock that can be set while the program runs; its monotonic clock stays what it is. */
export class OddClock {
  readonly #file: string;
  readonly #library: string;

  constructor(file: string, library: string) {
    this.#file = file;
    this.#library = library;
  }

  /** How many minutes it is ahead of the world's. */
  async set(minutes: number): Promise<void> {
    await writeFile(this.#file, `${minutes < 0 ? "-" : "+"}${Math.abs(minutes)}m\n`);
  }

  odd(launch: Launch): Launch {
    const env = {
      ...launch.env,
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
    return { ...launch, env };
  }

  /** A process that was killed leaves its shared memory behind. */
  async cleanUp(pids: readonly number[]): Promise<void> {
    for (const pid of pids) {
      await rm(`/dev/shm/faketime_shm_${pid}`, { force: true });
      await rm(`/dev/shm/sem.faketime_sem_${pid}`, { force: true });
    }
  }
}

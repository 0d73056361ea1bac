import { createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";

import type { Clock } from "../../src/runtime/clock.ts";
import type { Logger } from "../../src/runtime/logger.ts";

/** Everything that happened, a JSON object a line, with the milliseconds since the start of the run. */
export class Trace implements AsyncDisposable {
  readonly path: string;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #file: WriteStream;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
    this.#file = createWriteStream(path);
  }

  /** Milliseconds since the start of the run. */
  get nowMs(): number {
    return Math.round(this.#clock.monotonic() - this.#startedAt);
  }

  add(event: string, fields: object = {}): void {
    const time = new Date(this.#clock.now()).toISOString();
    this.#file.write(`${JSON.stringify({ ms: this.nowMs, time, event, ...fields })}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#file.end();
    if (!this.#file.closed) await once(this.#file, "close");
  }
}

function ignore(): void {
  // What goes well is not worth a line.
}

/** For what of the harness itself wants a logger: warnings and errors go into the trace. */
export function loggerTo(trace: Trace): Logger {
  const note = (_: object, message: string): void => trace.add("harness", { message });
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    warn: note,
    error: note,
    child: () => logger,
  };
  return logger;
}

import type { Readable } from "node:stream";
import type { Clock } from "../runtime/clock.ts";
import { LineSplitter } from "./line-splitter.ts";
import { TransportError, WatchIdleError } from "./transport-error.ts";
import { parseWatchEvent, type WatchEvent } from "./watch-event.ts";

export interface WatchStreamOptions {
  readonly clock: Clock;
  /** Names the watch in errors. */
  readonly request: string;
  /** Without a byte for this long the watch is taken for dead. Bookmarks come about every 60 s. */
  readonly idleMs: number;
}

/**
 * The events of an open watch. It ends when the server ends it between two lines; else it throws:
 * ApiError for an ERROR event, WatchIdleError from the watchdog, TransportError for a cut or a broken line,
 * and whatever destroyed `body` (an abort). Leaving the loop early closes the connection.
 */
export async function* readWatchStream(
  body: Readable,
  options: WatchStreamOptions,
): AsyncGenerator<WatchEvent, void, undefined> {
  const splitter = new LineSplitter();
  const watchdog = startWatchdog(options, (error) => body.destroy(error));
  // Closing the body early makes it emit an error that nobody waits for any more.
  body.on("error", () => undefined);
  try {
    for await (const chunk of body) {
      watchdog.touch();
      if (!(chunk instanceof Uint8Array)) throw new TransportError(`${options.request}: not bytes`);
      for (const line of splitter.push(chunk)) yield parseWatchEvent(options.request, line);
    }
    if (splitter.pendingBytes > 0) {
      throw new TransportError(`${options.request}: the watch was cut in the middle of a line`);
    }
  } finally {
    watchdog.stop();
    body.destroy();
  }
}

interface Watchdog {
  touch(): void;
  stop(): void;
}

function startWatchdog(options: WatchStreamOptions, bark: (error: Error) => void): Watchdog {
  const { clock, idleMs, request } = options;
  const stop = new AbortController();
  let lastSign = clock.monotonic();
  const watch = async (): Promise<void> => {
    for (;;) {
      const left = lastSign + idleMs - clock.monotonic();
      if (left <= 0) break;
      await clock.sleep(left, stop.signal);
      if (stop.signal.aborted) return;
    }
    bark(new WatchIdleError(`${request}: nothing came for ${idleMs} ms`));
  };
  void watch();
  return {
    touch: () => {
      lastSign = clock.monotonic();
    },
    stop: () => stop.abort(),
  };
}

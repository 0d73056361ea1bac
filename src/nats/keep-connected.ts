import { PermissionViolationError, type NatsConnection } from "nats";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { dial, type DialOptions } from "./dial.ts";
import { OutageLog } from "./outage-log.ts";
import { reconnectDelayMs } from "./reconnect-delay.ts";
import { parseServerUrl } from "./server-url.ts";

export interface KeepConnectedOptions {
  readonly servers: readonly string[];
  readonly dial: DialOptions;
  /** How long a connection may take to send what it has when the signal is aborted. */
  readonly drainTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A connection is there. Neither of the two may throw. */
  readonly onUp: (connection: NatsConnection) => void;
  /** The connection that came up last is gone. */
  readonly onDown: () => void;
}

/** A connection that lived this long was a good one: the delays begin anew. */
const HEALTHY_AFTER_MS = 30_000;

/**
 * Keeps one connection to one of the servers, for ever. Whatever goes wrong (nobody listens, credentials
 * refused, a name that does not resolve) is an attempt that failed, and there is always a next one. When
 * the signal is aborted the connection is drained and closed, and the promise resolves; it never rejects.
 */
export async function keepConnected(
  options: KeepConnectedOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random } = options;
  const log = new OutageLog(clock, options.logger);
  let failures = 0;
  while (!signal.aborted) {
    const dialled = await dialAny(options, log, signal);
    const livedMs = dialled === undefined ? 0 : await live(dialled, options, log, signal);
    failures = livedMs >= HEALTHY_AFTER_MS ? 1 : failures + 1;
    await clock.sleep(reconnectDelayMs(failures, random), signal);
  }
}

interface Dialled {
  readonly connection: NatsConnection;
  readonly server: string;
}

/** Tries each server once, in random order. */
async function dialAny(
  options: KeepConnectedOptions,
  log: OutageLog,
  signal: AbortSignal,
): Promise<Dialled | undefined> {
  const reasons: string[] = [];
  for (const url of shuffled(options.servers, options.random)) {
    if (signal.aborted) return undefined;
    const server = parseServerUrl(url).address;
    try {
      return { connection: await dial(url, options.dial, signal), server };
    } catch (thrown) {
      reasons.push(`${server}: ${errorMessage(thrown)}`);
    }
  }
  if (!signal.aborted) log.attemptFailed(reasons.toSorted().join("; "));
  return undefined;
}

/** Stays with a connection until it is gone; gives the milliseconds that it lived. */
async function live(
  { connection, server }: Dialled,
  options: KeepConnectedOptions,
  log: OutageLog,
  signal: AbortSignal,
): Promise<number> {
  const since = options.clock.monotonic();
  const drain = (): void => void drainAndClose(connection, options);
  log.connected(server);
  options.onUp(connection);
  if (signal.aborted) drain();
  else signal.addEventListener("abort", drain, { once: true });
  const reason = await untilClosed(connection, options.logger);
  signal.removeEventListener("abort", drain);
  options.onDown();
  if (!signal.aborted) log.disconnected(server, reason);
  return options.clock.monotonic() - since;
}

/** Follows what the connection tells until it is closed; gives the reason of the end. */
async function untilClosed(connection: NatsConnection, logger: Logger): Promise<string> {
  let reason: unknown;
  if (connection.isClosed()) return "closed at once";
  for await (const status of connection.status()) {
    if (status.type === "staleConnection") {
      // The client would first wait until its last bytes are written: on a dead link, a quarter of an hour.
      reason ??= "pings were not answered";
      void connection.close();
    } else if (status.type === "ldm") {
      logger.info({ server: status.server }, "the broker is about to shut down");
    } else if (status.type === "error" && !(status.error instanceof PermissionViolationError)) {
      reason = status.error;
    } else if (status.type === "error") {
      logger.error({ reason: status.error.message }, "the broker denied an operation");
    }
  }
  return errorMessage(reason ?? (await connection.closed()) ?? "connection lost");
}

async function drainAndClose(
  connection: NatsConnection,
  { clock, drainTimeoutMs }: KeepConnectedOptions,
): Promise<void> {
  const drained = new AbortController();
  const drain = connection.drain().catch(() => {});
  await Promise.race([drain, clock.sleep(drainTimeoutMs, drained.signal)]);
  drained.abort();
  await connection.close();
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, key: random() }))

    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

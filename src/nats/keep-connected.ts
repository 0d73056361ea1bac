import { PermissionViolationError, type NatsConnection } from "nats";
import type { Clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import type { NoticeLog } from "../runtime/notice-log.ts";
import type { Random } from "../runtime/random.ts";
import { isRefusal } from "./credentials.ts";
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
  /** What the broker does not let this user do. Who sends it bad reply subjects must not fill the log. */
  readonly denials: NoticeLog;
  /** Each is aborted to have the next attempt made at once. */
  readonly hurry: () => AbortSignal;
  /** A connection is there. None of the three may throw. */
  readonly onUp: (connection: NatsConnection) => void;
  /** The connection that came up last is gone. */
  readonly onDown: () => void;
  /** The broker does not want this user, so it said at an attempt or in the end of a connection. */
  readonly onRefused: (reason: string) => void;
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
  const { clock, random, logger } = options;
  const log = new OutageLog(clock, logger);
  let failures = 0;
  while (!signal.aborted) {
    const dialled = await dialAny(options, log, signal);
    const livedMs = dialled === undefined ? 0 : await live(dialled, options, log, signal);
    failures = livedMs >= HEALTHY_AFTER_MS ? 1 : failures + 1;
    await pause(options, reconnectDelayMs(failures, random), signal);
  }
}

async function pause(
  { clock, hurry }: KeepConnectedOptions,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const end = (): void => over.abort();
  const signals = [signal, hurry()];
  for (const each of signals) each.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  await clock.sleep(ms, over.signal);
  for (const each of signals) each.removeEventListener("abort", end);
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
  const refusals: string[] = [];
  for (const url of shuffled(options.servers, options.random)) {
    if (signal.aborted) return undefined;
    const server = parseServerUrl(url).address;
    try {
      return { connection: await dial(url, options.dial, signal), server };
    } catch (thrown) {
      const reason = `${server}: ${errorMessage(thrown)}`;
      reasons.push(reason);
      if (isRefusal(thrown)) refusals.push(reason);
    }
  }
  if (signal.aborted) return undefined;
  log.attemptFailed(reasons.toSorted().join("; "));
  if (refusals.length > 0) options.onRefused(refusals.toSorted().join("; "));
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
  const reason = await untilClosed(connection, options);
  signal.removeEventListener("abort", drain);
  options.onDown();
  const why = errorMessage(reason);
  if (!signal.aborted) log.disconnected(server, why);
  if (!signal.aborted && isRefusal(reason)) options.onRefused(`${server}: ${why}`);
  return options.clock.monotonic() - since;
}

/** Follows what the connection tells until it is closed; gives the reason of the end. */
async function untilClosed(
  connection: NatsConnection,
  { logger, denials }: Pick<KeepConnectedOptions, "logger" | "denials">,
): Promise<unknown> {
  let reason: unknown;
  if (connection.isClosed()) return "closed at once";
  for await (const status of connection.status()) {
    if (status.type === "staleConnection") {
      // The client would first wait until its last bytes are written: on a dead link, a quarter of an hour.
      reason ??= "pings were not answered";
      void connection.close();
    } else if (status.type === "ldm") {
      logger.info({ server: status.server }, "the broker is about to shut down");
    } else if (status.type === "error" && status.error instanceof PermissionViolationError) {
      const { operation, message } = status.error;
      denials.note(operation, "PermissionViolation", `the broker denied an operation: ${message}`);
    } else if (status.type === "error") {
      reason = status.error;
    }
  }
  return reason ?? (await connection.closed()) ?? "connection lost";
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

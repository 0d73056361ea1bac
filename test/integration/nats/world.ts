import { setTimeout as sleep } from "node:timers/promises";
import { startNatsServer, type NatsServer } from "../../../dev/controlplane/control-plane.ts";
import { connectBus, type ConnectBusOptions, type NatsBus } from "../../../src/nats/connect-bus.ts";
import type { RequestOutcome } from "../../../src/protocol/bus.ts";
import { systemClock, type Clock } from "../../../src/runtime/clock.ts";
import { errorMessage } from "../../../src/runtime/errors.ts";
import type { Logger } from "../../../src/runtime/logger.ts";

export const broker = (natsConfig = ""): Promise<NatsServer> =>
  startNatsServer({ natsConfig, insecureNats: true });

/** Waits as the system's does, though never longer than 20 ms: for back-offs of a minute. */
export const hurriedClock: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal),
};

export interface Log extends Logger {
  readonly lines: string[];
}

export function capturingLog(): Log {
  const lines: string[] = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields, plain)}`);
  const log: Log = {
    lines,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => log,
  };
  return log;
}

function plain(_key: string, value: unknown): unknown {
  return value instanceof Error ? errorMessage(value) : value;
}

export type TestBus = NatsBus & { readonly log: Log };

export function openBus(
  servers: string | readonly string[],
  options: Partial<ConnectBusOptions> = {},
): TestBus {
  const log = capturingLog();
  const bus = connectBus({
    servers: typeof servers === "string" ? [servers] : servers,
    name: "test",
    inbox: "_INBOX_test",
    clock: hurriedClock,
    random: Math.random,
    logger: log,
    ...options,
  });
  return Object.assign(bus, { log });
}

/** Waits for a condition; the test's own time-out is what ends it otherwise. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

export async function connected(...buses: readonly TestBus[]): Promise<void> {
  await until(() => buses.every((bus) => bus.connected));
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const textOf = (data: Uint8Array): string => Buffer.from(data).toString();

/** The reply's text, or the kind of what came instead. */
export async function ask(
  bus: NatsBus,
  subject: string,
  text = "",
  timeoutMs = 30_000,
): Promise<string> {
  return inWords(await bus.request(subject, bytes(text), { timeoutMs }));
}

export function inWords(outcome: RequestOutcome): string {
  return outcome.kind === "reply" ? textOf(outcome.data) : outcome.kind;
}

/** Answers every request with what it was asked, after the name. */
export function echo(bus: NatsBus, subject: string, name = "echo"): void {
  bus.subscribe(subject, (message) => message.respond(bytes(`${name} ${textOf(message.data)}`)));
}

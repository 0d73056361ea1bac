import { beforeEach, describe, expect, test } from "vitest";
import { OutageLog } from "../../../src/nats/outage-log.ts";
import type { Logger } from "../../../src/runtime/logger.ts";

const SECOND = 1_000;
const HOUR = 3_600_000;

let now = 0;
let lines: { level: string; fields: object; message: string; at: number }[] = [];
let log: OutageLog;

beforeEach(() => {
  now = 5_000;
  lines = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields, message, at: now - 5_000 });
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  const clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
  log = new OutageLog(clock, logger);
});

function failEvery(stepMs: number, forMs: number, reason = "h: refused"): void {
  for (const end = now + forMs; now <= end; now += stepMs) log.attemptFailed(reason);
}

describe("the log of outages", () => {
  test("says at once that the first connection fails, and when it is there, after what", () => {
    log.attemptFailed("h:4222: connection refused");
    now += 90 * SECOND;
    log.connected("h:4222");
    expect(lines).toEqual([
      {
        level: "warn",
        fields: { reason: "h:4222: connection refused", away: "0ms", attempts: 1 },
        message: "cannot connect to the broker, retrying",
        at: 0,
      },
      {
        level: "info",
        fields: { server: "h:4222", away: "1m30s", attempts: 1 },
        message: "connected to the broker",
        at: 90 * SECOND,
      },
    ]);
  });

  test("says nothing of outages where there was none", () => {
    log.connected("h:4222");
    expect(lines.map(({ fields }) => fields)).toEqual([{ server: "h:4222" }]);
  });

  test("repeats itself at a distance that grows to an hour", () => {
    log.disconnected("h:4222", "reset");
    failEvery(SECOND, 5 * HOUR);
    const [disconnected, ...rest] = lines;
    expect(disconnected?.fields).toEqual({ server: "h:4222", reason: "reset" });
    const seconds = rest.map(({ at }) => at / SECOND);
    expect(seconds.slice(0, 6)).toEqual([0, 10, 30, 70, 150, 310]);
    expect((seconds.at(-1) ?? 0) - (seconds.at(-2) ?? 0)).toBe(HOUR / SECOND);
  });

  test("tells a new reason soon, however long the old one has lasted", () => {
    failEvery(SECOND, HOUR);
    const before = lines.length;
    log.attemptFailed("h: Authorization Violation");
    expect(lines.slice(before).map(({ fields }) => fields)).toMatchObject([
      { reason: "h: Authorization Violation" },
    ]);
  });

  test("is not flooded by reasons that change all the time", () => {
    for (let i = 0; i < 600; i += 1, now += 100) log.attemptFailed(`reason ${i % 2}`);
    expect(lines.length).toBeLessThanOrEqual(7);
  });

  test("begins anew with each outage", () => {
    failEvery(SECOND, HOUR);
    log.connected("h");
    log.disconnected("h", "reset");
    lines = [];
    now += SECOND;
    log.attemptFailed("h: refused");
    expect(lines).toMatchObject([{ fields: { away: "1s", attempts: 1 } }]);
  });
});

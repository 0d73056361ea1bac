import { describe, expect, test } from "vitest";
import {
  brokerCheck,
  cacheCheck,
  electorCheck,
  runChecks,
  type Check,
} from "../../../src/telemetry/checks.ts";

const good: Check = { name: "good", check: () => undefined };
const bad: Check = { name: "bad", check: () => "it is\n  broken" };
const chatty: Check = { name: "chatty", check: () => "x".repeat(100_000) };
const throwing: Check = {
  name: "throwing",
  check: () => {
    throw new Error("outer", { cause: new Error("inner") });
  },
};

describe("checks", () => {
  test("that all pass are told in one word", () => {
    expect(runChecks("healthz", [good, good], { verbose: false })).toEqual({
      passed: true,
      text: "ok",
    });
  });

  test("that all pass are told one by one if that is asked for", () => {
    expect(runChecks("readyz", [good], { verbose: true })).toEqual({
      passed: true,
      text: "[+]good ok\nreadyz check passed\n",
    });
  });

  test.each([{ verbose: true }, { verbose: false }])(
    "of which one fails are told one by one, each in a line (verbose: $verbose)",
    ({ verbose }) => {
      expect(runChecks("readyz", [good, bad, good], { verbose })).toEqual({
        passed: false,
        text: "[+]good ok\n[-]bad failed: it is broken\n[+]good ok\nreadyz check failed\n",
      });
    },
  );

  test("pass when there are none", () => {
    expect(runChecks("healthz", [], { verbose: false }).passed).toBe(true);
  });

  test("fail when they throw", () => {
    const { passed, text } = runChecks("healthz", [throwing], { verbose: false });
    expect(passed).toBe(false);
    expect(text).toContain("[-]throwing failed: the check threw: outer: inner\n");
  });

  test("do not make an answer long", () => {
    const { text } = runChecks("healthz", [chatty], { verbose: false });
    expect(text.length).toBeLessThan(500);
  });

  test("of a cache say whose it is", () => {
    const cache = { hasSynced: false };
    const check = cacheCheck("edgecommands", cache);
    expect(check.check()).toBe("cache of edgecommands not synced");
    cache.hasSynced = true;
    expect(check.check()).toBeUndefined();
  });

  test("of the broker follow its connection", () => {
    const bus = { connected: false };
    const check = brokerCheck(bus);
    expect(check.check()).toBe("not connected to the broker");
    bus.connected = true;
    expect(check.check()).toBeUndefined();
  });

  test.each([
    { name: "passes for a standby", renewalAgeMs: undefined, want: undefined },
    { name: "passes while the lease is renewed", renewalAgeMs: 20_000, want: undefined },
    {
      name: "fails for a leader that is stuck",
      renewalAgeMs: 20_001,
      want: "the lease was not renewed for 20s, and not given up",
    },
  ])("of the elector $name", ({ renewalAgeMs, want }) => {
    expect(electorCheck({ renewalAgeMs }, 20_000).check()).toBe(want);
  });
});

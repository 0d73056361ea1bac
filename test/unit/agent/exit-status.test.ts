import { constants } from "node:os";
import { expect, test } from "vitest";
import { exitOf } from "../../../src/agent/exit-status.ts";
import { runResult } from "../../../src/protocol/run.ts";

test("a status of which the shell said nothing is the command's, whatever it is", () => {
  for (let status = 0; status < 256; status += 1) {
    expect(exitOf(status, false)).toEqual({ code: status, signal: null });
  }
});

test("a status of which the shell spoke is a signal, by its name", () => {
  for (const name of ["SIGHUP", "SIGABRT", "SIGKILL", "SIGSEGV", "SIGTERM", "SIGIO", "SIGSYS"]) {
    const number = constants.signals[name as NodeJS.Signals];
    expect(exitOf(128 + number, true)).toEqual({ code: null, signal: name });
  }
  expect(exitOf(128 + 34, true).signal).toBe("SIGRTMIN");
  expect(exitOf(128 + 35, true).signal).toBe("SIGRTMIN+1");
  expect(exitOf(128 + 64, true).signal).toBe("SIGRTMIN+30");
});

test("what no signal has is the command's, though the shell spoke", () => {
  for (const status of [0, 1, 127, 128, 128 + 32, 128 + 65, 255]) {
    expect(exitOf(status, true)).toEqual({ code: status, signal: null });
  }
});

test("every name is one that the wire takes", () => {
  for (let status = 129; status < 256; status += 1) {
    const { signal } = exitOf(status, true);
    if (signal !== null) expect(runResult.shape.signal.parse(signal)).toBe(signal);
  }
});

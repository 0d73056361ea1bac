import { expect, test } from "vitest";
import { METHODS } from "../../../src/agent/methods/table.ts";
import { interruption } from "../../../src/agent/recovery.ts";
import { rejectionOf } from "../../../src/agent/rejection.ts";
import {
  endOfExit,
  REPLACED,
  timedOut,
  unstarted,
  withoutFurtherAttempt,
  type EndCause,
  type Exit,
} from "../../../src/agent/run-end.ts";
import type { CommandWork } from "../../../src/protocol/command.ts";
import { isMethod } from "../../../src/protocol/names.ts";

interface ExitCase {
  readonly name: string;
  readonly exit: Exit;
  readonly success?: readonly number[];
  readonly cause?: EndCause;
  readonly want: object;
}

const status = (code: number): Exit => ({ code, signal: null });

const exits: ExitCase[] = [
  {
    name: "status 0",
    exit: status(0),
    want: { outcome: "Succeeded", reason: "Completed", exitCode: 0 },
  },
  {
    name: "a status that is no success",
    exit: status(3),
    want: { outcome: "Failed", reason: "NonZeroExit", exitCode: 3 },
  },
  {
    name: "a status that counts as success",
    exit: status(3),
    success: [0, 3],
    want: { outcome: "Succeeded", reason: "Completed", exitCode: 3 },
  },
  {
    name: "status 0 where only another one is success",
    exit: status(0),
    success: [1],
    want: { outcome: "Failed", reason: "NonZeroExit", exitCode: 0 },
  },
  {
    name: "a signal that was not ours",
    exit: { code: null, signal: "SIGSEGV" },
    want: { outcome: "Failed", reason: "Signalled", signal: "SIGSEGV" },
  },
  {
    name: "our signal after the timeout",
    exit: { code: null, signal: "SIGKILL" },
    cause: timedOut(60_000),
    want: { outcome: "TimedOut", reason: "Timeout", signal: "SIGKILL" },
  },
  {
    name: "status 0 after we asked it to end",
    exit: status(0),
    cause: REPLACED,
    want: { outcome: "Cancelled", reason: "Replaced", exitCode: 0 },
  },
];

test.each(exits)("a process that ends with $name", ({ exit, success = [0], cause, want }) => {
  expect(endOfExit(exit, success, cause)).toMatchObject({ started: "True", ...want });
});

interface WorkCase {
  readonly name: string;
  readonly work: Partial<CommandWork>;
  readonly want: { reason: string; message: string } | undefined;
}

const invalid = (message: string): { reason: string; message: string } => ({
  reason: "InvalidArguments",
  message,
});

const works: WorkCase[] = [
  { name: "a shell command", work: { args: ["ls"] }, want: undefined },
  { name: "a ping", work: { method: "ping", args: [] }, want: undefined },
  {
    name: "an unknown method",
    work: { method: "restart" },
    want: { reason: "UnknownMethod", message: "exec, ping, shellcommand" },
  },
  { name: "no shell command", work: { args: [] }, want: invalid("args[0]") },
  { name: "no program", work: { method: "exec", args: [] }, want: invalid("args[0]") },
  { name: "an empty program", work: { method: "exec", args: [""] }, want: invalid("args[0]") },
  { name: "a ping with args", work: { method: "ping", args: ["x"] }, want: invalid("no args") },
  { name: "a NUL in args", work: { args: ["ls", "a\0b"] }, want: invalid("args[1]") },
  {
    name: "a NUL in env",
    work: { env: [{ name: "A", value: "\0" }] },
    want: invalid("env[0]"),
  },
  {
    name: "a variable without a name",
    work: { env: [{ name: "", value: "x" }] },
    want: invalid("env[0].name"),
  },
  {
    name: "a variable with a = in its name",
    work: { env: [{ name: "A=B", value: "x" }] },
    want: invalid("env[0].name"),
  },
  { name: "a NUL in workingDir", work: { workingDir: "/\0" }, want: invalid("workingDir") },
  { name: "a relative workingDir", work: { workingDir: "tmp" }, want: invalid("workingDir") },
];

test.each(works)("whether a node can do $name", ({ work, want }) => {
  const whole = {
    method: "shellcommand",
    args: ["ls"],
    env: [],
    stdin: "",
    workingDir: "",
    ...work,
  };
  const rejection = rejectionOf(whole, METHODS);
  if (want === undefined) {
    expect(rejection).toBeUndefined();
    return;
  }
  expect(rejection).toMatchObject({ outcome: "Rejected", started: "False", reason: want.reason });
  expect(rejection?.message).toContain(want.message);
});

test("every method has a name of its own that a subject can end in", () => {
  const names = METHODS.map(({ name }) => name);
  expect(names.filter((name) => !isMethod(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});

test.each([
  { state: "Running", bootID: "boot", want: { started: "True", reason: "AgentRestarted" } },
  { state: "Starting", bootID: "boot", want: { started: "Unknown", reason: "AgentRestarted" } },
  { state: "Running", bootID: "before", want: { started: "True", reason: "MachineRestarted" } },
  { state: "Starting", bootID: "before", want: { started: "Unknown", reason: "MachineRestarted" } },
] as const)("a run found $state from boot $bootID was interrupted", ({ state, bootID, want }) => {
  const found = { state, bootID, startedAt: undefined };
  expect(interruption(found, "boot")).toMatchObject({ outcome: "Interrupted", ...want });
});

test("the reason why there is no further attempt fits into a message, however long that is", () => {
  const end = { ...unstarted(REPLACED), message: "x".repeat(1_024) };
  expect(withoutFurtherAttempt(end, "of that").message).toHaveLength(1_024);
});

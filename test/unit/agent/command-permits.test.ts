import { beforeEach, expect, test } from "vitest";
import { SUPERUSER, type Account } from "../../../src/agent/account.ts";
import {
  CommandPermits,
  rejectionOfWhole,
  type Permission,
  type PolicyState,
} from "../../../src/agent/command-permits.ts";
import { METHODS } from "../../../src/agent/methods/table.ts";
import { DEFAULT_POLICY, type AllowRule } from "../../../src/agent/policy.ts";
import { Privileges } from "../../../src/agent/privileges.ts";
import type { CommandWork } from "../../../src/protocol/command.ts";
import { ErrorKernel, type ProcessError } from "../../../src/runtime/errorkernel.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordingLogger, type LogLine } from "../../support/recording-logger.ts";

const HOME = { gid: 1, homedir: "/", shell: "/bin/sh" };
const ROOT: Account = { ...HOME, username: "root", uid: SUPERUSER };
const USERS: readonly Account[] = [
  ROOT,
  { ...HOME, username: "nobody", uid: 65_534 },
  { ...HOME, username: "ops", uid: 1_000 },
  { ...HOME, username: "toor", uid: SUPERUSER },
];
const STEWARD: Account = { ...HOME, username: "steward", uid: 999 };
const UNPRIVILEGED: AllowRule = {
  name: "unprivileged",
  action: "allow",
  methods: "any",
  users: "unprivileged",
  argv: undefined,
  maxTimeoutMs: undefined,
  variables: "any",
};
const DEFAULT: PolicyState = { policy: DEFAULT_POLICY };
const ANYBODY: PolicyState = { policy: { defaultUser: "nobody", rules: [UNPRIVILEGED] } };

let clock: FakeClock;
let reports: ProcessError[];
let lines: LogLine[];
beforeEach(() => {
  [clock, reports, lines] = [new FakeClock(), [], []];
});

interface Agent {
  readonly account?: Account;
  readonly policy?: PolicyState;
  /** "none": there is no setpriv. */
  readonly setpriv?: string;
}

function permits({
  account = ROOT,
  policy = DEFAULT,
  setpriv = "/bin/setpriv",
}: Agent = {}): CommandPermits {
  const logger = new RecordingLogger(lines);
  return new CommandPermits({
    methods: METHODS,
    policy: { current: () => policy },
    privileges: new Privileges({
      own: account,
      setpriv: setpriv === "none" ? undefined : setpriv,
      logger,
    }),
    account,
    clock,
    kernel: new ErrorKernel({
      logger,
      onReport: (report) => reports.push(report),
      onShutdown: () => undefined,
    }),
    find: async (name) => USERS.find(({ username }) => username === name),
  });
}

function work(overrides: Partial<CommandWork> = {}): CommandWork {
  const rest = { env: [], stdin: "", workingDir: "" };
  return { method: "shellcommand", args: ["id"], ...rest, ...overrides };
}

function ask(agent: Agent, overrides: Partial<CommandWork> = {}): Promise<Permission> {
  return permits(agent).permission(work(overrides), { timeoutMs: 1_000 });
}

test("a root agent runs what names no user as the policy's default user, without any rights", async () => {
  const permission = await ask({});
  expect(permission).toMatchObject({ kind: "permitted", standing: { isOther: true } });
  const prefix = permission.kind === "permitted" ? permission.standing?.prefix : undefined;
  expect(prefix).toEqual([
    "/bin/setpriv",
    "--reuid=nobody",
    "--regid=1",
    "--init-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
    "--",
  ]);
});

test("an agent that is not root runs what names no user as itself, and gives up what setuid would give", async () => {
  const standing = {
    account: STEWARD,
    prefix: ["/bin/setpriv", "--no-new-privs", "--"],
    isOther: false,
  };
  const agent = { account: STEWARD };
  expect(await ask(agent)).toMatchObject({ kind: "permitted", standing });
  expect(await ask(agent, { runAs: "steward" })).toMatchObject({ kind: "permitted", standing });
});

test.each<[string, Agent, Partial<CommandWork>, readonly [string, RegExp]]>([
  ["root", {}, { runAs: "root" }, ["PolicyDenied", /denied by rule no-root/]],
  ["root by another name", {}, { runAs: "toor" }, ["PolicyDenied", /denied by rule no-root/]],
  ["a user of whom no rule speaks", {}, { runAs: "ops" }, ["PolicyDenied", /no rule allows it/]],
  [
    "nobody that there is",
    {},
    { runAs: "ghost" },
    ["CannotRunAs", /The node has no user ghost\.$/],
  ],
  [
    "a default user that there is not",
    { policy: { policy: { ...DEFAULT_POLICY, defaultUser: "ghost" } } },
    {},
    ["CannotRunAs", /no user ghost: .*defaultUser/],
  ],
  [
    "another user by an agent that is not root",
    { account: STEWARD, policy: ANYBODY },
    { runAs: "ops" },
    ["CannotRunAs", /The agent runs as steward, and only one that runs as root/],
  ],
  [
    "another user without setpriv",
    { setpriv: "none" },
    {},
    ["CannotRunAs", /no setpriv .*util-linux/],
  ],
  ["what there is no method for", {}, { method: "dance" }, ["UnknownMethod", /no method dance/]],
])("a command as %s is rejected", async (_, agent, overrides, [reason, message]) => {
  const permission = await ask(agent, overrides);
  expect(permission).toMatchObject({
    kind: "rejected",
    end: {
      outcome: "Rejected",
      started: "False",
      reason,
      message: expect.stringMatching(message) as string,
    },
  });
});

test("a ping needs nobody to run as", async () => {
  const policy = { policy: { ...DEFAULT_POLICY, defaultUser: "ghost" } };
  const permission = await ask({ policy, setpriv: "none" }, { method: "ping", args: [] });
  expect(permission).toMatchObject({ kind: "permitted", standing: undefined });
});

test("without setpriv an agent runs commands as itself, and says once what that means", async () => {
  const asked = permits({ account: STEWARD, setpriv: "none" });
  for (let count = 0; count < 3; count += 1) {
    const permission = await asked.permission(work(), { timeoutMs: 1 });
    expect(permission).toMatchObject({ standing: { prefix: [], isOther: false } });
  }
  expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
});

test("a policy that cannot be used decides nothing, and is reported once a minute", async () => {
  const asked = permits({ policy: { problem: "policy.yaml: not YAML" } });
  const answer = { kind: "undecided", problem: "policy.yaml: not YAML" };
  for (let count = 0; count < 3; count += 1) {
    expect(await asked.permission(work(), { timeoutMs: 1 })).toEqual(answer);
  }
  expect(reports).toMatchObject([{ process: "policy", severity: "warning" }]);
  await clock.advance(60_000);
  await asked.permission(work(), { timeoutMs: 1 });
  expect(reports).toHaveLength(2);
});

function whole(name: string, value = ""): { work: CommandWork; terms: { timeoutMs: number } } {
  return { work: work({ env: [{ name, value }] }), terms: { timeoutMs: 1_000 } };
}

test("variables of which the names came later, and terms that changed, are held against the rule that allowed the rest", () => {
  const permit = {
    kind: "permitted",
    rule: { ...UNPRIVILEGED, variables: ["TOKEN"], maxTimeoutMs: 60_000 },
    standing: undefined,
  } as const;
  expect(rejectionOfWhole(permit, whole("TOKEN"), METHODS)).toBeUndefined();
  expect(rejectionOfWhole(permit, whole("LD_PRELOAD"), METHODS)).toMatchObject({
    reason: "PolicyDenied",
    message: expect.stringContaining("variable LD_PRELOAD") as string,
  });
  const longer = { ...whole("TOKEN"), terms: { timeoutMs: 60_001 } };
  expect(rejectionOfWhole(permit, longer, METHODS)).toMatchObject({
    reason: "PolicyDenied",
    message: expect.stringContaining("a timeout of 1m at most") as string,
  });
  expect(rejectionOfWhole(permit, whole("TOKEN", "a\0b"), METHODS)).toMatchObject({
    reason: "InvalidArguments",
  });
});

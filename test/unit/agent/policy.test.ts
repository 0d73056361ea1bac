import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matchesArgv, type ArgumentPattern } from "../../../src/agent/argv-pattern.ts";
import { Expression } from "../../../src/agent/expression.ts";
import {
  decidePolicy,
  DEFAULT_POLICY,
  type AllowRule,
  type DenyRule,
  type PolicyDecision,
  type PolicyRequest,
  type PolicyRule,
  type PolicyUser,
} from "../../../src/agent/policy.ts";

const NOBODY: PolicyUser = { name: "nobody", isSuperuser: false, isDefault: true };
const OPS: PolicyUser = { name: "ops", isSuperuser: false, isDefault: false };
const ROOT: PolicyUser = { name: "root", isSuperuser: true, isDefault: false };
/** Another name for the superuser. */
const TOOR: PolicyUser = { name: "toor", isSuperuser: true, isDefault: false };

function literal(text: string): ArgumentPattern {
  return { kind: "oneOf", texts: [text] };
}

function allow(rule: Partial<AllowRule> = {}): AllowRule {
  return {
    name: "allowing",
    action: "allow",
    methods: "any",
    users: undefined,
    argv: undefined,
    maxTimeoutMs: undefined,
    variables: "any",
    ...rule,
  };
}

function deny(rule: Partial<DenyRule> = {}): DenyRule {
  const all = { methods: "any", users: undefined, argv: undefined } as const;
  return { name: "denying", action: "deny", ...all, ...rule };
}

function decide(rules: readonly PolicyRule[], request: Partial<PolicyRequest>): PolicyDecision {
  const whole = { method: "exec", args: ["df"], variables: [], timeoutMs: 1_000, user: NOBODY };
  return decidePolicy({ defaultUser: "nobody", rules }, { ...whole, ...request });
}

interface Case {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  readonly request?: Partial<PolicyRequest>;
  /** Undefined: it is allowed. */
  readonly denied?: string;
}

const REBOOT = deny({
  name: "never-reboot",
  argv: { leading: [literal("reboot")], rest: { kind: "any" } },
});
const DF = allow({
  name: "df",
  argv: { leading: [literal("df")], rest: undefined },
  variables: [],
});

const cases: readonly Case[] = [
  { name: "no rule", rules: [], denied: "no rule allows it" },
  { name: "a rule for all", rules: [allow()] },
  { name: "a rule of its method", rules: [allow({ methods: ["ping", "exec"] })] },
  {
    name: "a rule of another method",
    rules: [allow({ methods: ["ping"] })],
    denied: "no rule allows it",
  },
  { name: "a denying rule first", rules: [deny(), allow()], denied: "denied by rule denying" },
  { name: "an allowing rule first", rules: [allow(), deny()] },
  {
    name: "a denying rule of its arguments",
    rules: [REBOOT, allow()],
    request: { args: ["reboot", "-f"] },
    denied: "denied by rule never-reboot",
  },
  { name: "a denying rule of other arguments", rules: [REBOOT, allow()] },
  {
    name: "a further argument than the rule has",
    rules: [DF],
    request: { args: ["df", "/"] },
    denied: "no rule allows it",
  },
  { name: "a denying rule of another user", rules: [deny({ users: ["ops"] }), allow()] },
  {
    name: "a denying rule of all users",
    rules: [deny(), allow({ users: ["root"] })],
    request: { user: ROOT },
    denied: "denied by rule denying",
  },
  {
    name: "another user than the default, of whom no rule speaks",
    rules: [allow()],
    request: { user: OPS },
    denied: "no rule allows it",
  },
  { name: "a user that is named", rules: [allow({ users: ["ops"] })], request: { user: OPS } },
  {
    name: "the default user where others are named",
    rules: [allow({ users: ["ops"] })],
    denied: "no rule allows it",
  },
  {
    name: "any user where all unprivileged ones may",
    rules: [allow({ users: "unprivileged" })],
    request: { user: OPS },
  },
  {
    name: "root where all unprivileged ones may",
    rules: [allow({ users: "unprivileged" })],
    request: { user: ROOT },
    denied: "no rule allows it",
  },
  {
    name: "root by another name where all unprivileged ones may",
    rules: [allow({ users: "unprivileged" })],
    request: { user: TOOR },
    denied: "no rule allows it",
  },
  {
    name: "root by another name where root may not",
    rules: [deny({ users: ["root"] }), allow({ users: ["toor"] })],
    request: { user: TOOR },
    denied: "denied by rule denying",
  },
  {
    name: "what runs no process, whoever may",
    rules: [allow({ users: ["ops"] })],
    request: { method: "ping", args: [], user: undefined },
  },
  {
    name: "what runs no process, where some users may not",
    rules: DEFAULT_POLICY.rules,
    request: { method: "ping", args: [], user: undefined },
  },
  {
    name: "what runs no process, where nobody may",
    rules: [deny({ methods: ["ping"] }), allow()],
    request: { method: "ping", args: [], user: undefined },
    denied: "denied by rule denying",
  },
  { name: "a timeout that is just allowed", rules: [allow({ maxTimeoutMs: 1_000 })] },
  {
    name: "a timeout that is too long",
    rules: [allow({ maxTimeoutMs: 999 }), allow()],
    denied: "rule allowing allows a timeout of 999ms at most, and this one has 1s",
  },
  {
    name: "a variable that is listed",
    rules: [allow({ variables: ["A", "B"] })],
    request: { variables: ["B"] },
  },
  {
    name: "a variable that is not listed",
    rules: [DF, allow()],
    request: { variables: ["LD_PRELOAD"] },
    denied: "rule df does not let it set the variable LD_PRELOAD",
  },
  { name: "the default policy, as nobody", rules: DEFAULT_POLICY.rules },
  {
    name: "the default policy, as root",
    rules: DEFAULT_POLICY.rules,
    request: { user: ROOT },
    denied: "denied by rule no-root",
  },
  {
    name: "the default policy, as somebody else",
    rules: DEFAULT_POLICY.rules,
    request: { user: OPS },
    denied: "no rule allows it",
  },
];

test.each(cases)("with $name, whether a command may run", ({ rules, request = {}, denied }) => {
  const decision = decide(rules, request);
  if (denied === undefined) expect(decision).toHaveProperty("allowedBy");
  else expect(decision).toEqual({ denied });
});

describe("a policy", () => {
  const user = fc.constantFrom(NOBODY, OPS, ROOT, TOOR);
  const users = fc.constantFrom(undefined, ["nobody"], ["ops"], ["root"]);
  const methods = fc.constantFrom("any" as const, ["exec"], ["ping"]);
  const rule = fc.oneof(
    fc.record({ users, methods }).map((fields) => deny(fields)),
    fc.record({ users, methods }).map((fields) => allow(fields)),
    methods.map((meant) => allow({ users: "unprivileged", methods: meant })),
  );

  test("without a rule that names root, or is of the default user, lets nothing run as root", () => {
    fc.assert(
      fc.property(fc.array(rule), fc.constantFrom(ROOT, TOOR), (rules, superuser) => {
        const harmless = rules.filter(({ users: named }) => named?.includes("root") !== true);
        expect(decide(harmless, { user: superuser })).toHaveProperty("denied");
      }),
    );
  });

  test("decides by the first rule that decides alone", () => {
    fc.assert(
      fc.property(fc.array(rule), user, (rules, someone) => {
        const none = { denied: "no rule allows it" };
        const alone = rules.map((one) => decide([one], { user: someone }));
        const first = alone.find((one) => !("denied" in one && one.denied === none.denied));
        expect(decide(rules, { user: someone })).toEqual(first ?? none);
      }),
    );
  });

  test("of allowing rules only, allows no less by one more of them in the end", () => {
    fc.assert(
      fc.property(fc.array(rule), user, (rules, someone) => {
        const before = decide(rules, { user: someone });
        if ("allowedBy" in before) {
          expect(decide([...rules, deny()], { user: someone })).toEqual(before);
        }
      }),
    );
  });
});

const PATTERNS: Readonly<Record<string, ArgumentPattern>> = {
  literal: literal("restart"),
  oneOf: { kind: "oneOf", texts: ["nginx", "chrony"] },
  pattern: { kind: "pattern", expression: new Expression("-[a-z]+") },
  integer: { kind: "integer", min: -5, max: 100 },
  path: { kind: "path", folder: "/mnt" },
  root: { kind: "path", folder: "/" },
  slashed: { kind: "path", folder: "/mnt/" },
  any: { kind: "any" },
};

test.each([
  ["literal", ["restart"], ["Restart", "restart ", "restart\n", "", "restart nginx", "rest*"]],
  ["oneOf", ["nginx", "chrony"], ["nginx,chrony", "ssh", ""]],
  ["pattern", ["-a", "-abc"], ["-", "-a -b", "--a", "-a\n", "-a;reboot"]],
  [
    "integer",
    ["0", "-5", "100", "7"],
    ["-6", "101", "07", "+7", "-0", "7.0", "1e1", "", " 7", "0x7"],
  ],
  [
    "path",
    ["/mnt", "/mnt/", "/mnt/a b", "//mnt//a", "/mnt/./a", "/mnt/..a"],
    ["/mnt/../etc", "/mnta", "mnt", "/", "/mnt/a/..", "", "/etc/mnt"],
  ],
  ["root", ["/", "/etc/passwd"], ["etc", "/a/../b", ""]],
  ["slashed", ["/mnt", "/mnt/a"], ["/mnta"]],
  ["any", ["", "-x", "\n"], []],
])("the pattern %s takes %j and not %j", (name, taken, refused) => {
  const leading = [PATTERNS[name] ?? literal("")];
  const takes = (text: string): boolean => matchesArgv({ leading, rest: undefined }, [text]);
  expect(taken.filter((text) => !takes(text))).toEqual([]);
  expect(refused.filter(takes)).toEqual([]);
});

test.each<[string, readonly string[], boolean]>([
  ["no argument is too few", [], false],
  ["the leading ones are enough", ["a"], true],
  ["each of the rest has to match", ["a", "b", "b"], true],
  ["one of the rest that does not match", ["a", "b", "a"], false],
  ["arguments are not joined", ["a b"], false],
])("of a and any number of b: %s", (_, args, want) => {
  expect(matchesArgv({ leading: [literal("a")], rest: literal("b") }, args)).toBe(want);
});

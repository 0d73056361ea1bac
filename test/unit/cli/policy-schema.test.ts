import { expect, test } from "vitest";
import { decidePolicy, DEFAULT_POLICY, type PolicyRequest } from "../../../src/agent/policy.ts";
import { DEFAULT_POLICY_TEXT } from "../../../src/cli/default-policy.ts";
import { parsePolicy, PolicyTextError } from "../../../src/cli/policy-schema.ts";

function withRules(rules: string): string {
  return `version: 1\ndefaultUser: nobody\nrules:\n${rules}`;
}

test("the file of a fresh node has the default policy", () => {
  expect(parsePolicy(DEFAULT_POLICY_TEXT, "policy.yaml")).toEqual(DEFAULT_POLICY);
});

test("the rules that it suggests are rules", () => {
  const suggested = DEFAULT_POLICY_TEXT.replaceAll(/^# {2}(- name| )/gm, "  $1").replaceAll(
    /^#$/gm,
    "",
  );
  const { rules } = parsePolicy(suggested, "policy.yaml");
  expect(rules.map(({ name }) => name)).toEqual([
    "no-root",
    "everything",
    "ping",
    "shell-for-ops",
    "disk-tools",
    "restart-a-service",
  ]);
});

const EXAMPLE = withRules(`
  - name: never-reboot
    action: deny
    methods: [exec]
    argv: [{oneOf: [/sbin/reboot, /usr/sbin/reboot]}, {rest: {}}]
  - name: disk-tools
    methods: [exec]
    argv: ["/usr/bin/df", {pattern: "-[a-z]+"}, {path: "/mnt"}, {rest: {pattern: "[a-z]+"}}]
  - name: head
    methods: [exec]
    argv: [head, -n, {integer: {min: 1, max: 100}}, {}]
    env: [LANG]
    maxTimeout: 1m
`);

test.each<[readonly string[], Partial<PolicyRequest>, string | undefined]>([
  [["/usr/bin/df", "-h", "/mnt/data"], {}, undefined],
  [["/usr/bin/df", "-h", "/mnt", "a", "b"], {}, undefined],
  [["/usr/bin/df", "-h", "/mnt", "a", "-b"], {}, "no rule allows it"],
  [["/usr/bin/df", "-h", "/etc"], {}, "no rule allows it"],
  [["/usr/bin/df", "-h"], {}, "no rule allows it"],
  [["/usr/bin/df", "-h", "/mnt"], { variables: ["PATH"] }, "variable PATH"],
  [["/sbin/reboot", "-f"], {}, "denied by rule never-reboot"],
  [["/sbin/reboot"], { method: "shellcommand" }, "no rule allows it"],
  [["head", "-n", "7", "/var/log/syslog"], { variables: ["LANG"] }, undefined],
  [["head", "-n", "101", "/var/log/syslog"], {}, "no rule allows it"],
  [["head", "-n", "7", "x"], { timeoutMs: 60_001 }, "rule head allows a timeout of 1m at most"],
])("a file's rules decide on %j %j", (args, request, denied) => {
  const decision = decidePolicy(parsePolicy(EXAMPLE, "policy.yaml"), {
    method: "exec",
    args,
    variables: [],
    timeoutMs: 1_000,
    user: { name: "nobody", isSuperuser: false, isDefault: true },
    ...request,
  });
  if (denied === undefined) expect(decision).toHaveProperty("allowedBy");
  else expect(decision).toEqual({ denied: expect.stringContaining(denied) as string });
});

test.each<[string, string, string]>([
  ["that is empty", "", "p.yaml: "],
  ["that is not YAML", "rules: [", "p.yaml:1:9: not YAML: "],
  ["with a key twice", "version: 1\nversion: 1", "p.yaml:2:1: not YAML: "],
  ["of another version", "version: 2\ndefaultUser: x\nrules: []", "p.yaml: version: must be 1"],
  ["without rules", "version: 1\ndefaultUser: x", "p.yaml: rules: "],
  [
    "with an unknown field",
    "version: 1\ndefaultUser: x\nrules: []\nrule: []",
    'p.yaml: Unrecognized key: "rule"',
  ],
  [
    "with a user by number",
    "version: 1\ndefaultUser: '0'\nrules: []",
    "p.yaml: defaultUser: must be the name of a user",
  ],
  ["with a rule without a name", withRules("- methods: [exec]"), "p.yaml: rules[0]: name: "],
  ["with a rule without methods", withRules("- name: a"), "p.yaml: rule a: methods: "],
  [
    "with a method that there is not",
    withRules("- {name: a, methods: [ping, exce]}"),
    "p.yaml: rule a: methods[1]: there is no method exce; did you mean exec?",
  ],
  [
    "with an unknown action",
    withRules("- {name: a, methods: ['*'], action: drop}"),
    "p.yaml: rule a: action: ",
  ],
  [
    "with a mistyped field of a rule",
    withRules("- {name: a, methods: ['*'], user: [ops]}"),
    'p.yaml: rule a: Unrecognized key: "user"',
  ],
  [
    "with * beside a user",
    withRules("- {name: a, methods: ['*'], users: ['*', root]}"),
    "p.yaml: rule a: users: must have either * or names",
  ],
  [
    "with a rule that denies *",
    withRules("- {name: a, methods: ['*'], users: ['*'], action: deny}"),
    "p.yaml: rule a: users: must have names",
  ],
  [
    "with a limit of what is denied",
    withRules("- {name: a, methods: ['*'], maxTimeout: 1s, action: deny}"),
    "p.yaml: rule a: maxTimeout: limits what a rule allows",
  ],
  [
    "with a limit that is no duration",
    withRules("- {name: a, methods: ['*'], maxTimeout: 5}"),
    "p.yaml: rule a: maxTimeout: ",
  ],
  [
    "with a name twice",
    withRules("- {name: a, methods: ['*']}\n- {name: a, methods: ['*']}"),
    "p.yaml: rule a: name: another rule has this name",
  ],
  [
    "with an argument that is a number",
    withRules("- {name: a, methods: [exec], argv: [head, 5]}"),
    "p.yaml: rule a: argv[1]: must be a text in quotes",
  ],
  [
    "with an argument of two kinds",
    withRules("- {name: a, methods: [exec], argv: [{path: /a, pattern: a}]}"),
    "p.yaml: rule a: argv[0]: must be a text in quotes",
  ],
  [
    "with a pattern that is none",
    withRules("- {name: a, methods: [exec], argv: [x, {pattern: '('}]}"),
    "p.yaml: rule a: argv[1].pattern: cannot be used: a ( without its )",
  ],
  [
    "with a path with ..",
    withRules("- {name: a, methods: [exec], argv: [{path: /a/../b}]}"),
    "p.yaml: rule a: argv[0].path: must be an absolute path without ..",
  ],
  [
    "with a rest in the middle",
    withRules("- {name: a, methods: [exec], argv: [{rest: {}}, x]}"),
    "p.yaml: rule a: argv[0]: rest must be the last",
  ],
  [
    "with a rest of a rest",
    withRules("- {name: a, methods: [exec], argv: [{rest: {rest: {}}}]}"),
    "p.yaml: rule a: argv[0].rest: ",
  ],
])("a file %s is refused, and the message says where and why", (_, text, message) => {
  const parsing = (): unknown => parsePolicy(text, "p.yaml");
  expect(parsing).toThrow(PolicyTextError);
  expect(parsing).toThrow(message);
});

test("all that is wrong with a file is said at once", () => {
  const text = withRules("- {name: a, methods: [dance]}\n- {name: b, methods: ['*'], users: [0]}");
  expect(() => parsePolicy(text, "p.yaml")).toThrow(/rule a: methods.*\n.*rule b: users/);
});

import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import type { ArgumentPattern, ArgvPattern } from "../agent/argv-pattern.ts";
import { Expression, ExpressionError } from "../agent/expression.ts";
import { METHODS } from "../agent/methods/table.ts";
import type { Policy, PolicyRule } from "../agent/policy.ts";
import { userName } from "../protocol/names.ts";
import { DURATION_PATTERN, parseDuration } from "../runtime/duration.ts";
import { didYouMean } from "./nearest.ts";

/** Which words stand for all. */
const ALL = "*";
const METHOD_NAMES = METHODS.map(({ name }) => name);
const FORMS =
  "must be a text in quotes, {}, {pattern}, {oneOf}, {integer}, {path} or, last, {rest}";

const argumentFields = {
  pattern: z.string().transform(expression).optional(),
  oneOf: z.array(z.string()).min(1).optional(),
  integer: z
    .strictObject({
      min: z.int().default(Number.MIN_SAFE_INTEGER),
      max: z.int().default(Number.MAX_SAFE_INTEGER),
    })
    .optional(),
  path: z
    .string()
    .refine(
      (path) => path.startsWith("/") && !path.split("/").includes(".."),
      "must be an absolute path without ..",
    )
    .optional(),
};

const argument = z.preprocess(
  withLiteral,
  z
    .strictObject(argumentFields, { error: expectedForm })
    .refine(hasOneAtMost, FORMS)
    .transform(patternOf),
);

const argv = z
  .array(
    z.preprocess(
      withLiteral,
      z
        .strictObject({ ...argumentFields, rest: argument.optional() }, { error: expectedForm })
        .refine(hasOneAtMost, FORMS),
    ),
  )
  .min(1)
  .transform((items, context): ArgvPattern => {
    const misplaced = items.findIndex(
      ({ rest }, index) => rest !== undefined && index < items.length - 1,
    );
    if (misplaced >= 0) {
      const message = "rest must be the last";
      context.issues.push({ code: "custom", path: [misplaced], message, input: items });
    }
    const rest = items.at(-1)?.rest;
    return { leading: (rest === undefined ? items : items.slice(0, -1)).map(patternOf), rest };
  });

const methods = z
  .array(z.string())
  .min(1)
  .transform((names, context) => {
    for (const [index, name] of names.entries()) {
      if (name === ALL || METHOD_NAMES.includes(name)) continue;
      const message = `there is no method ${name}${didYouMean(name, METHOD_NAMES)}`;
      context.issues.push({ code: "custom", path: [index], message, input: names });
    }
    return names.includes(ALL) ? ("any" as const) : names;
  });

const users = z
  .array(z.union([z.literal(ALL), userName], "must be the name of a user, or *"))
  .min(1)
  .refine(
    (names) => names.length === 1 || !names.includes(ALL),
    "must have either * or names: root has to be named in a rule of its own",
  );

const rule = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "must be at most 63 letters, digits and . _ -"),
    action: z.enum(["allow", "deny"]).default("allow"),
    methods,
    users: users.optional(),
    argv: argv.optional(),
    env: z.array(z.string().min(1)).optional(),
    maxTimeout: z
      .string()
      .regex(new RegExp(DURATION_PATTERN), "must be a duration such as 90s, 5m or 1h30m")
      .transform(parseDuration)
      .optional(),
  })
  .superRefine(({ action, ...fields }, context) => {
    if (action === "allow") return;
    for (const field of ["env", "maxTimeout"] as const) {
      if (fields[field] === undefined) continue;
      const message = "limits what a rule allows, and this one denies";
      context.addIssue({ code: "custom", path: [field], message });
    }
    if (fields.users?.includes(ALL) !== true) return;
    const message = "must have names: a rule that denies is about all users without it";
    context.addIssue({ code: "custom", path: ["users"], message });
  })
  .transform(ruleOf);

const policy = z.strictObject({
  version: z.literal(1, "must be 1"),
  defaultUser: userName,
  rules: z.array(rule).superRefine((rules, context) => {
    const names = rules.map(({ name }) => name);
    const again = names.findIndex((name, index) => names.indexOf(name) < index);
    if (again < 0) return;
    const message = "another rule has this name already";
    context.addIssue({ code: "custom", path: [again, "name"], message });
  }),
});

/** The text of a policy file was none. The message has a line for each thing that is wrong, and how to mend it. */
export class PolicyTextError extends Error {
  override readonly name = "PolicyTextError";
}

/** Reads the text of a policy file; `path` is for the messages. Throws a PolicyTextError. Pure. */
export function parsePolicy(text: string, path: string): Policy {
  const content = contentOf(text, path);
  const { success, data, error } = policy.safeParse(content);
  if (success) return { defaultUser: data.defaultUser, rules: data.rules };
  const lines = error.issues.map(
    (issue) => `${path}: ${placeOf(issue.path, content)}${issue.message}`,
  );
  throw new PolicyTextError(lines.join("\n"));
}

function contentOf(text: string, path: string): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter });
  const [error] = document.errors;
  if (error === undefined) return document.toJS();
  const { line, col } = lineCounter.linePos(error.pos[0]);
  throw new PolicyTextError(`${path}:${line}:${col}: not YAML: ${error.message}`);
}

/** `rule disk-tools: argv[1].pattern: `, or the rule's position if it has no name. */
function placeOf(path: readonly PropertyKey[], content: unknown): string {
  const [first, index, ...rest] = path;
  if (first !== "rules" || typeof index !== "number") return fieldOf(path);
  const name = nameAt(content, index);
  return `${name === undefined ? `rules[${index}]` : `rule ${name}`}: ${fieldOf(rest)}`;
}

function fieldOf(path: readonly PropertyKey[]): string {
  const text = path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("");
  return text === "" ? "" : `${text.replace(/^\./, "")}: `;
}

const named = z.looseObject({ rules: z.array(z.unknown()) });

function nameAt(content: unknown, index: number): string | undefined {
  const { data } = named.safeParse(content);
  return z.looseObject({ name: z.string() }).safeParse(data?.rules[index]).data?.name;
}

function withLiteral(raw: unknown): unknown {
  return typeof raw === "string" ? { oneOf: [raw] } : raw;
}

function expectedForm({ code }: { readonly code?: string }): string | undefined {
  return code === "invalid_type" ? FORMS : undefined;
}

function hasOneAtMost(fields: Readonly<Record<string, unknown>>): boolean {
  return Object.values(fields).filter((value) => value !== undefined).length <= 1;
}

function expression(source: string, context: z.core.$RefinementCtx<string>): Expression {
  try {
    return new Expression(source);
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError)) throw thrown;
    context.addIssue({ code: "custom", message: `cannot be used: ${thrown.message}` });
    return z.NEVER;
  }
}

interface ArgumentFields {
  readonly pattern?: Expression | undefined;
  readonly oneOf?: readonly string[] | undefined;
  readonly integer?: { readonly min: number; readonly max: number } | undefined;
  readonly path?: string | undefined;
}

function patternOf({ pattern, oneOf, integer, path }: ArgumentFields): ArgumentPattern {
  if (pattern !== undefined) return { kind: "pattern", expression: pattern };
  if (oneOf !== undefined) return { kind: "oneOf", texts: oneOf };
  if (integer !== undefined) return { kind: "integer", ...integer };
  if (path !== undefined) return { kind: "path", folder: path };
  return { kind: "any" };
}

interface RuleFields {
  readonly name: string;
  readonly action: "allow" | "deny";
  readonly methods: readonly string[] | "any";
  readonly users?: readonly string[] | undefined;
  readonly argv?: ArgvPattern | undefined;
  readonly env?: readonly string[] | undefined;
  readonly maxTimeout?: number | undefined;
}

function ruleOf({ name, action, ...fields }: RuleFields): PolicyRule {
  const { methods: meant, users: given, argv: pattern, env, maxTimeout } = fields;
  const matching = { name, methods: meant, argv: pattern };
  if (action === "deny") return { ...matching, action, users: given };
  // Who may choose LD_PRELOAD may run anything, whatever the arguments are.
  const unlisted = pattern === undefined ? ("any" as const) : [];
  return {
    ...matching,
    action,
    users: given?.includes(ALL) === true ? "unprivileged" : given,
    maxTimeoutMs: maxTimeout,
    variables: env?.includes(ALL) === true ? "any" : (env ?? unlisted),
  };
}

import { formatDuration } from "../runtime/duration.ts";
import { matchesArgv, type ArgvPattern } from "./argv-pattern.ts";

/** What the owner of a node lets be done there. The last word on that is the node's, and not the cluster's. */
export interface Policy {
  /** As whom commands run that name no user, if the agent can change users at all. */
  readonly defaultUser: string;
  /** The first that matches a command decides; where none does, it is denied. */
  readonly rules: readonly PolicyRule[];
}

export type PolicyRule = DenyRule | AllowRule;

interface Matching {
  /** By which the message of a denial calls it. */
  readonly name: string;
  readonly methods: readonly string[] | "any";
  /** Undefined: whatever the arguments are. */
  readonly argv: ArgvPattern | undefined;
}

export interface DenyRule extends Matching {
  readonly action: "deny";
  /** Undefined: whoever it would run as. */
  readonly users: readonly string[] | undefined;
}

export interface AllowRule extends Matching {
  readonly action: "allow";
  /** As whom it may run; "unprivileged": all but the superuser. Undefined: as who runs what names no user. */
  readonly users: readonly string[] | "unprivileged" | undefined;
  /** The longest timeout that a command may have. */
  readonly maxTimeoutMs: number | undefined;
  /** The environment variables that a command may set. */
  readonly variables: readonly string[] | "any";
}

/** As whom a command would run. */
export interface PolicyUser {
  readonly name: string;
  readonly isSuperuser: boolean;
  /** It is who runs what names no user. */
  readonly isDefault: boolean;
}

/** What a policy decides on. */
export interface PolicyRequest {
  readonly method: string;
  readonly args: readonly string[];
  /** Names of the environment variables that it sets. */
  readonly variables: readonly string[];
  readonly timeoutMs: number;
  /** Undefined for what runs no process. */
  readonly user: PolicyUser | undefined;
}

export type PolicyDecision =
  | { readonly allowedBy: AllowRule }
  /** Why, as the end of a sentence. */
  | { readonly denied: string };

/** What a node does whose owner has not said otherwise: all that it can, as nobody in particular. */
export const DEFAULT_POLICY: Policy = {
  defaultUser: "nobody",
  rules: [
    { name: "no-root", action: "deny", methods: "any", users: ["root"], argv: undefined },
    {
      name: "everything",
      action: "allow",
      methods: "any",
      users: undefined,
      argv: undefined,
      maxTimeoutMs: undefined,
      variables: "any",
    },
  ],
};

/** Pure. Which rule matches depends on method, arguments and user; what an allowing rule limits comes after. */
export function decidePolicy({ rules }: Policy, request: PolicyRequest): PolicyDecision {
  const rule = rules.find((candidate) => matches(candidate, request));
  if (rule === undefined) return { denied: "no rule allows it" };
  if (rule.action === "deny") return { denied: `denied by rule ${rule.name}` };
  const excess = excessOf(rule, request);
  return excess === undefined ? { allowedBy: rule } : { denied: excess };
}

function matches(rule: PolicyRule, { method, args, user }: PolicyRequest): boolean {
  const isOfMethod = rule.methods === "any" || rule.methods.includes(method);
  if (!isOfMethod || !matchesUser(rule, user)) return false;
  return rule.argv === undefined || matchesArgv(rule.argv, args);
}

function matchesUser({ action, users }: PolicyRule, user: PolicyUser | undefined): boolean {
  // What runs as nobody at all is none of those whom a rule denies.
  if (user === undefined) return action === "allow" || users === undefined;
  if (users === undefined) return action === "deny" || user.isDefault;
  if (users === "unprivileged") return !user.isSuperuser;
  // Another name for the superuser changes nothing.
  return users.includes(user.name) || (user.isSuperuser && users.includes("root"));
}

/** What about a command is beyond what the rule that it matches allows, as the end of a sentence. Pure. */
export function excessOf(
  rule: AllowRule,
  { timeoutMs, variables }: Pick<PolicyRequest, "timeoutMs" | "variables">,
): string | undefined {
  const { name, maxTimeoutMs } = rule;
  if (maxTimeoutMs !== undefined && timeoutMs > maxTimeoutMs) {
    const [limit, given] = [formatDuration(maxTimeoutMs), formatDuration(timeoutMs)];
    return `rule ${name} allows a timeout of ${limit} at most, and this one has ${given}`;
  }
  if (rule.variables === "any") return undefined;
  const allowed = rule.variables;
  const variable = variables.find((given) => !allowed.includes(given));
  if (variable === undefined) return undefined;
  return `rule ${name} does not let it set the variable ${variable}`;
}

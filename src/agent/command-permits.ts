import type { CommandTerms, CommandWork } from "../protocol/command.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ErrorKernel } from "../runtime/errorkernel.ts";
import { findAccount, SUPERUSER, type Account } from "./account.ts";
import type { Method } from "./methods/method.ts";
import { decidePolicy, excessOf, type AllowRule, type Policy, type PolicyUser } from "./policy.ts";
import type { Privileges, Standing } from "./privileges.ts";
import { rejectionOf } from "./rejection.ts";
import { rejected, type RunEnd } from "./run-end.ts";

/** The policy of a node as it is at this moment, or what is wrong with it, as a sentence for its owner. */
export type PolicyState = { readonly policy: Policy } | { readonly problem: string };

export interface PolicySource {
  /** Cheap enough to be asked for each command. Never throws. */
  current(): PolicyState;
}

/** That a command may be started now. */
export interface Permit {
  readonly kind: "permitted";
  readonly rule: AllowRule;
  /** Undefined for what runs no process. */
  readonly standing: Standing | undefined;
}

export type Permission =
  | Permit
  /** It may not, and will not: the end of its run. */
  | { readonly kind: "rejected"; readonly end: RunEnd }
  /** Nobody can tell before the node's owner has mended the policy. */
  | { readonly kind: "undecided"; readonly problem: string };

export interface CommandPermitsOptions {
  readonly methods: readonly Method[];
  readonly policy: PolicySource;
  readonly privileges: Pick<Privileges, "canChange" | "standingOf">;
  /** The account that the agent runs as. */
  readonly account: Account;
  readonly clock: Pick<Clock, "monotonic">;
  readonly kernel: ErrorKernel;
  /** Looks a user up by name; among those of the system unless told. */
  readonly find?: (name: string) => Promise<Account | undefined>;
}

/** A policy that cannot be used is reported at most so often. */
const REPORT_INTERVAL_MS = 60_000;

/** Decides whether a command may be started here, and as whom: by what the node can do and its owner lets be done. */
export class CommandPermits {
  readonly #options: CommandPermitsOptions;
  #nextReport = Number.NEGATIVE_INFINITY;

  constructor(options: CommandPermitsOptions) {
    this.#options = options;
  }

  /** As it is now: another moment may have another policy. */
  async permission(work: CommandWork, terms: Pick<CommandTerms, "timeoutMs">): Promise<Permission> {
    const { methods, policy } = this.#options;
    const rejection = rejectionOf(work, methods);
    if (rejection !== undefined) return { kind: "rejected", end: rejection };
    const state = policy.current();
    if ("problem" in state) return this.#undecided(state.problem);
    const runsNothing = methods.find(({ name }) => name === work.method)?.instant === true;
    const account = runsNothing ? undefined : await this.#accountFor(work, state.policy);
    if (typeof account === "string") return cannotRunAs(account);
    const user = account === undefined ? undefined : this.#userOf(account, state.policy);
    const { method, args, env } = work;
    const variables = env.map(({ name }) => name);
    const request = { method, args, variables, timeoutMs: terms.timeoutMs, user };
    const decision = decidePolicy(state.policy, request);
    if ("denied" in decision) return { kind: "rejected", end: policyDenied(decision.denied) };
    const standing =
      account === undefined ? undefined : this.#options.privileges.standingOf(account);
    if (typeof standing === "string") return cannotRunAs(standing);
    return { kind: "permitted", rule: decision.allowedBy, standing };
  }

  #undecided(problem: string): Permission {
    const { clock, kernel } = this.#options;
    if (clock.monotonic() >= this.#nextReport) {
      this.#nextReport = clock.monotonic() + REPORT_INTERVAL_MS;
      const thrown = new PolicyUnavailableError(problem);
      kernel.report({ process: "policy", severity: "warning", thrown });
    }
    return { kind: "undecided", problem };
  }

  /** A sentence, if there is nobody of that name. */
  async #accountFor({ runAs }: CommandWork, { defaultUser }: Policy): Promise<Account | string> {
    const { account, privileges, find = findAccount } = this.#options;
    const name = runAs ?? (privileges.canChange ? defaultUser : account.username);
    if (name === account.username) return account;
    const found = await find(name);
    if (found !== undefined) return found;
    const why = runAs === undefined ? ": the policy of the node names it as defaultUser" : "";
    return `The node has no user ${name}${why}.`;
  }

  #userOf({ username, uid }: Account, { defaultUser }: Policy): PolicyUser {
    const { account, privileges } = this.#options;
    const byDefault = privileges.canChange ? defaultUser : account.username;
    return { name: username, isSuperuser: uid === SUPERUSER, isDefault: username === byDefault };
  }
}

/** Nothing can be started before the owner of the node has mended its policy. */
class PolicyUnavailableError extends Error {
  override readonly name = "PolicyUnavailableError";
}

/**
 * Why a command that has its permit may not be started with all that came to it since: variables of which nobody
 * could know the names, and terms that it was given while it was asked about. Undefined if it may. Pure.
 */
export function rejectionOfWhole(
  { rule }: Permit,
  { work, terms }: { readonly work: CommandWork; readonly terms: Pick<CommandTerms, "timeoutMs"> },
  methods: readonly Method[],
): RunEnd | undefined {
  const variables = work.env.map(({ name }) => name);
  const excess = excessOf(rule, { timeoutMs: terms.timeoutMs, variables });
  return excess === undefined ? rejectionOf(work, methods) : policyDenied(excess);
}

function policyDenied(why: string): RunEnd {
  return rejected("PolicyDenied", `The node's policy does not allow it: ${why}.`);
}

function cannotRunAs(why: string): Permission {
  return { kind: "rejected", end: rejected("CannotRunAs", why) };
}

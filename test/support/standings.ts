import { findAccount, ownAccount } from "../../src/agent/account.ts";
import type { Permission } from "../../src/agent/command-permits.ts";
import type { AllowRule, Policy } from "../../src/agent/policy.ts";
import { findSetpriv, Privileges, type Standing } from "../../src/agent/privileges.ts";
import { RecordingLogger } from "./recording-logger.ts";

/** As whom the tests themselves run. */
export const OWN_STANDING = standing(ownAccount());

/** How an agent that runs as who runs the tests runs a command as a user of this machine. */
export async function standingAs(username: string): Promise<Standing> {
  const account = await findAccount(username);
  if (account === undefined) throw new Error(`this machine has no user ${username}`);
  return standing(account);
}

function standing(account: Standing["account"]): Standing {
  const options = { own: ownAccount(), setpriv: findSetpriv(), logger: new RecordingLogger() };
  const found = new Privileges(options).standingOf(account);
  if (typeof found === "string") throw new Error(found);
  return found;
}

const EVERYTHING: AllowRule = {
  name: "everything",
  action: "allow",
  methods: "any",
  users: undefined,
  argv: undefined,
  maxTimeoutMs: undefined,
  variables: "any",
};

/** Lets everything be done, as who runs the tests. */
export const OWN_POLICY: Policy = { defaultUser: ownAccount().username, rules: [EVERYTHING] };

/** The same as the text of a policy file. */
export const OWN_POLICY_TEXT = JSON.stringify({
  version: 1,
  defaultUser: ownAccount().username,
  rules: [{ name: "everything", methods: ["*"] }],
});

export const PERMITTED: Permission = {
  kind: "permitted",
  rule: EVERYTHING,
  standing: OWN_STANDING,
};

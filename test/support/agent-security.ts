import type { AgentSecurity } from "../../src/agent/security.ts";
import { newSealingKey } from "../../src/identity/sealing.ts";
import { trustIn } from "../../src/identity/signatures.ts";
import { CONTROLLER_KEY, NODE_KEY, NODE_SIGNERS } from "./test-keys.ts";

const SEALING_KEY = newSealingKey();

/** Of an agent that has the test's node key and believes the test's controller; it learns nothing. */
export function agentSecurity(overrides: Partial<AgentSecurity> = {}): AgentSecurity {
  return {
    signers: NODE_SIGNERS,
    trust: TRUST_IN_CONTROLLER,
    sealingKey: SEALING_KEY,
    trustSerial: 1,
    learn: async () => undefined,
    ...overrides,
  };
}

export const TRUST_IN_CONTROLLER = trustIn(() => [CONTROLLER_KEY.publicKey]);
export const TRUST_IN_NODE = trustIn(() => [NODE_KEY.publicKey]);

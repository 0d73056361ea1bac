import { seal } from "../../src/identity/sealing.ts";
import type { Command } from "../../src/protocol/command.ts";
import { sealingContext, type SealedInputs } from "../../src/protocol/sealed-inputs.ts";
import { agentSecurity } from "./agent-security.ts";

/** The command with these inputs, sealed to the key that the test's agents have unless told. */
export function withSealed(command: Command, inputs: Partial<SealedInputs>): Command {
  const plaintext = Buffer.from(JSON.stringify({ env: [], ...inputs }));
  const { publicKey } = agentSecurity().sealingKey;
  return { ...command, sealed: seal(plaintext, publicKey, sealingContext(command)) };
}

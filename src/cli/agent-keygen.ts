import { IdentityDirectory } from "../agent/identity-directory.ts";
import { readOrMakeKeys } from "../agent/node-identity.ts";
import { errorMessage } from "../runtime/errors.ts";
import { agentKeygenProgram } from "./agent-keygen-options.ts";
import { EXIT_FAILURE, readOptions } from "./start.ts";

/** `steward agent keygen`. Resolves to the exit status. */
export async function runAgentKeygen(argv: readonly string[]): Promise<number> {
  const read = readOptions(agentKeygenProgram, argv);
  if (typeof read === "number") return read;
  try {
    const { node } = await readOrMakeKeys(new IdentityDirectory(read.options.dataDir));
    process.stdout.write(`${node.publicKey}\n`);
    return 0;
  } catch (thrown) {
    process.stderr.write(`${agentKeygenProgram.command}: ${errorMessage(thrown)}\n`);
    return EXIT_FAILURE;
  }
}

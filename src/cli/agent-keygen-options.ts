import { dataDirOption } from "./agent-options.ts";
import type { Program } from "./program.ts";

const options = {
  dataDir: dataDirOption("Where the node's identity is kept, in the folder identity."),
};

export const agentKeygenProgram: Program<typeof options> = {
  command: "steward agent keygen",
  summary:
    "Makes the node's key if it has none, and prints its public half: what spec.publicKey of its EdgeNode is to be " +
    "where EdgeNodes come from Git.",
  options,
  examples: [{ what: "Before the node is declared in Git", command: "steward agent keygen" }],
};

import { dataDirOption } from "./agent-options.ts";
import { duration, flag, text } from "./option.ts";
import type { Program } from "./program.ts";

const options = {
  token: text({
    description:
      "What steward enroll printed. Whoever sees it can use it, once: in the environment it is not seen in the " +
      "list of processes.",
    placeholder: "token",
    expected: "the token that steward enroll printed; it begins with stw1.",
    redact: () => "what is not shown",
  }),
  dataDir: dataDirOption("Where the node's identity is kept, in the folder identity."),
  newKey: flag({
    description: "Make a new key for the node, although it has one. The old one is lost.",
    default: "false",
  }),
  timeout: duration(
    { minMs: 1_000, maxMs: 86_400_000 },
    { description: "How long to wait for the controller to enroll the node.", default: "2m" },
  ),
};

export const agentJoinProgram: Program<typeof options> = {
  command: "steward agent join",
  summary:
    "Makes this machine the node that a token is for. Its key is made here and never leaves it; its first " +
    "credentials come from the controller. If that takes longer than --timeout, everything is kept, the exit status is 1, and steward " +
    "agent goes on with it.",
  options,
  positional: "token",
  examples: [
    { what: "With the line that steward enroll printed", command: "steward agent join stw1.…" },
  ],
};

import { keysDirOption, keysNamespaceOption, kubeconfigOption } from "./key-options.ts";
import { flag } from "./option.ts";
import type { Program } from "./program.ts";

const options = {
  finish: flag({
    description:
      "Drop all command keys but the newest. Refused while a node is known not to trust that one yet.",
    default: "false",
  }),
  force: flag({
    description:
      "With --finish: drop them all the same. Nodes that do not trust the newest key obey nobody until they are " +
      "enrolled again.",
    default: "false",
  }),
  keysDir: keysDirOption(),
  keysNamespace: keysNamespaceOption(),
  kubeconfig: kubeconfigOption(),
};

export const rotateCommandKeyProgram: Program<typeof options> = {
  command: "steward rotate-command-key",
  summary:
    "Makes another key that commands are signed with, beside those that are there. Nodes learn to trust it while " +
    "they still obey the older ones; --finish ends the rotation.",
  options,
  examples: [
    { what: "Begin", command: "steward rotate-command-key" },
    { what: "When every node has heard of it", command: "steward rotate-command-key --finish" },
  ],
};

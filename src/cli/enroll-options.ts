import { isNodeName, suggestNodeName, uuid } from "../protocol/names.ts";
import {
  agentUrlsOption,
  keysDirOption,
  keysNamespaceOption,
  kubeconfigOption,
} from "./key-options.ts";
import { duration, flag, optional, text } from "./option.ts";
import type { Program } from "./program.ts";

const options = {
  node: text({
    description: "The name of the node: that of its EdgeNode.",
    placeholder: "node",
    check: isNodeName,
    expected: "at most 63 lower-case letters, digits and dashes, no dash first or last",
    hint: (given) => {
      const name = suggestNodeName(given);
      return name === undefined ? undefined : `; ${name} would do`;
    },
  }),
  namespace: text({
    description: "The namespace that the node belongs to.",
    placeholder: "name",
    default: "default",
    check: isNodeName,
    expected: "the name of a namespace",
  }),
  ttl: duration(
    { minMs: 60_000, maxMs: 2_592_000_000 },
    { description: "How long the token is good for, if it is not used.", default: "1h" },
  ),
  token: flag({
    description:
      "Without it the line has no secret and no EdgeNode is touched: the machine joins with the key that " +
      "spec.publicKey of its EdgeNode names, from Git.",
    default: "true",
  }),
  natsUrl: agentUrlsOption(
    "The addresses at which this node reaches the broker, instead of those that bootstrap was given.",
  ),
  keysDir: keysDirOption(),
  keysNamespace: keysNamespaceOption(),
  clusterId: optional(
    text({
      description:
        "The id of the cluster that the node obeys, if the controller was given another than the uid of the " +
        "namespace kube-system.",
      placeholder: "uid",
      check: (id) => uuid.safeParse(id).success,
      expected: "a uid such as 1b4e28ba-2fa1-41d2-883f-0016d3cca427, in lower case",
    }),
  ),
  kubeconfig: kubeconfigOption(),
};

export const enrollProgram: Program<typeof options> = {
  command: "steward enroll",
  summary:
    "Makes a token with which one machine may become this node, once. The command to run there is printed on " +
    "standard output. The EdgeNode is created if it is not there.",
  options,
  positional: "node",
  letters: { n: "namespace" },
  examples: [
    { what: "A ship", command: "steward enroll ship1 -n fleet" },
    {
      what: "To be used within a week",
      command: "steward enroll ship1 -n fleet --ttl 168h",
    },
    {
      what: "A machine whose key is in Git",
      command: "steward enroll ship1 -n fleet --no-token",
    },
  ],
};

import { isNodeName, uuid } from "../protocol/names.ts";
import { logLevelOption, natsUrlOption } from "./common-options.ts";
import { duration, flag, optional, optionalFlag, port, text } from "./option.ts";
import type { Compiled, Program } from "./program.ts";

const options = {
  natsUrl: natsUrlOption(),
  kubeconfig: optional(
    text({
      description:
        "Kubeconfig of the cluster. Without it KUBECONFIG is used, else the pod's service account, " +
        "else ~/.kube/config.",
      placeholder: "path",
      expected: "the path of a file",
    }),
  ),
  namespace: optional(
    text({
      description: "Serve this namespace only. Without it: all of them.",
      placeholder: "name",
      check: isNodeName,
      expected: "the name of a namespace",
    }),
  ),
  clusterId: optional(
    text({
      description:
        "The id of the cluster that nodes obey; each has pinned it. Without it: the uid of the namespace " +
        "kube-system. A cluster that was built anew is given the id of the one before, for its nodes to obey it.",
      placeholder: "uid",
      check: (id) => uuid.safeParse(id).success,
      expected: "a uid such as 1b4e28ba-2fa1-41d2-883f-0016d3cca427, in lower case",
    }),
  ),
  nodeGracePeriod: duration(
    { minMs: 1_000, maxMs: 86_400_000 },
    {
      description:
        "How long a node may be silent before it counts as away; three times the agents' hello interval, or more.",
      default: "100s",
    },
  ),
  keysDir: optional(
    text({
      description:
        "Where the keys of the controller are: the mounted Secret steward-controller, or the directory " +
        "controller/ that steward bootstrap has made. They are read again when they change.",
      placeholder: "path",
      expected: "the path of a directory",
    }),
  ),
  insecure: flag({
    description:
      "Sign nothing and believe whoever is on the broker, which may then command every node. Instead of " +
      "--keys-dir, to try things out.",
    default: "false",
  }),
  credentialLifetime: duration(
    { minMs: 60_000, maxMs: 315_360_000_000 },
    {
      description:
        "How long the broker lets a node in with what it got from the controller; it asks for the next before.",
      default: "720h",
    },
  ),
  registerNodes: optionalFlag({
    description:
      "Create an EdgeNode for an unknown node that says hello: with --insecure, where it is so unless told. " +
      "Otherwise nodes are enrolled.",
  }),
  leaderElect: flag({
    description:
      "Take part in the election of a leader, of all controllers of this cluster (or namespace). Only " +
      "the leader acts; the others are ready to take over.",
    default: "true",
  }),
  leaseNamespace: optional(
    text({
      description:
        "Where the Lease is. Without it: the namespace that is served, else that of the pod or kubeconfig.",
      placeholder: "name",
      check: isNodeName,
      expected: "the name of a namespace",
    }),
  ),
  httpHost: text({
    description: "Where /healthz, /readyz and /metrics are served.",
    placeholder: "address",
    default: "0.0.0.0",
    expected: "an address of this machine",
  }),
  httpPort: port({ description: "The port of the same.", default: "8080" }),
  logLevel: logLevelOption(),
};

/** What is wrong with how options go together; undefined if nothing is. */
export function problemOf({
  keysDir,
  insecure,
  registerNodes,
}: Pick<Compiled<typeof options>, "keysDir" | "insecure" | "registerNodes">): string | undefined {
  if (keysDir === undefined && !insecure) {
    return "--keys-dir is required: run steward bootstrap to make the keys; or --insecure, to try things out";
  }
  if (keysDir !== undefined && insecure) return "--insecure: not together with --keys-dir";
  if (!insecure && registerNodes === true) {
    return "--register-nodes: only with --insecure; nodes are enrolled by steward enroll";
  }
  return undefined;
}

export const controllerProgram: Program<typeof options> = {
  command: "steward controller",
  summary: "Sends the EdgeCommands of a cluster to their nodes and records what came of them.",
  options,
  examples: [
    {
      what: "In a pod, with its service account",
      command:
        "steward controller --nats-url tls://nats.nats.svc:4222 --keys-dir /etc/steward/controller",
    },
    {
      what: "From your own machine, for one namespace",
      command:
        "steward controller --kubeconfig ~/.kube/config --namespace ships --keys-dir keys/controller",
    },
  ],
};

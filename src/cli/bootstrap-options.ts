import { isIP } from "node:net";
import { isNodeName } from "../protocol/names.ts";
import { agentUrlsOption, kubeconfigOption } from "./key-options.ts";
import { list, optional, text } from "./option.ts";
import type { Compiled, Program } from "./program.ts";

const DNS_NAME = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

const options = {
  outDir: optional(
    text({
      description:
        "Write the key sets as directories in this one. Either this or --namespace must be given.",
      placeholder: "path",
      expected: "the path of a directory",
    }),
  ),
  namespace: optional(
    text({
      description:
        "Write the key sets as Secrets of this namespace: steward-identity, steward-controller, steward-nats " +
        "and steward-enrollment.",
      placeholder: "name",
      check: isNodeName,
      expected: "the name of a namespace",
    }),
  ),
  kubeconfig: kubeconfigOption(),
  serverName: optional(
    list({
      description:
        "DNS names and IP addresses of the broker, as agents and the controller call it: its certificate is for " +
        "them. More of them later make a new certificate.",
      placeholder: "name,…",
      check: (name) => isIP(name) !== 0 || (name.length <= 253 && DNS_NAME.test(name)),
      expected: "DNS names in lower case or IP addresses, separated by commas",
    }),
  ),
  natsUrl: agentUrlsOption(
    "The addresses at which agents reach the broker, for steward enroll to hand out. Others replace those " +
      "that were there.",
  ),
  caCert: optional(
    text({
      description:
        "The certificate of an authority to use instead of making one; PEM, with --ca-key.",
      placeholder: "path",
      expected: "the path of a file",
    }),
  ),
  caKey: optional(
    text({
      description: "The private key of that authority: PEM, without a passphrase.",
      placeholder: "path",
      expected: "the path of a file",
    }),
  ),
};

export type BootstrapOptions = Compiled<typeof options>;

/** What is wrong with how options go together; undefined if nothing is. */
export function bootstrapProblem({
  outDir,
  namespace,
  caCert,
  caKey,
}: Pick<BootstrapOptions, "outDir" | "namespace" | "caCert" | "caKey">): string | undefined {
  if ((outDir === undefined) === (namespace === undefined)) {
    return "give one of --out-dir and --namespace: where the key sets are to be";
  }
  if ((caCert === undefined) !== (caKey === undefined)) {
    return "--ca-cert and --ca-key go together: to sign takes both";
  }
  return undefined;
}

export const bootstrapProgram: Program<typeof options> = {
  command: "steward bootstrap",
  summary:
    "Makes the keys and certificates that the controller, the broker and the nodes trust each other by. What is " +
    "there stays as it is, so it can be run again at any time; a server certificate that is about to expire, or " +
    "lacks a name, is renewed.",
  options,
  examples: [
    {
      what: "Into a cluster; STEWARD_NATS_URL says where agents reach the broker",
      command: "steward bootstrap --namespace steward-system --server-name nats.example.com",
    },
    {
      what: "Into a directory, for a broker on this machine",
      command: "steward bootstrap --out-dir keys --server-name localhost,127.0.0.1",
    },
  ],
};

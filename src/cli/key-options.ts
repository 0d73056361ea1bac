import { isNodeName } from "../protocol/names.ts";
import { parseServerUrl } from "../nats/server-url.ts";
import { list, optional, text, type Option } from "./option.ts";

/** Options of the programs that make, change and read key sets. */

export function kubeconfigOption(): Option<string | undefined, "text"> {
  return optional(
    text({
      description:
        "Kubeconfig of the cluster. Without it KUBECONFIG is used, else the pod's service account, " +
        "else ~/.kube/config.",
      placeholder: "path",
      expected: "the path of a file",
    }),
  );
}

export function keysDirOption(): Option<string | undefined, "text"> {
  return optional(
    text({
      description:
        "Where the key sets are, if they are in a directory: that of steward bootstrap --out-dir.",
      placeholder: "path",
      expected: "the path of a directory",
    }),
  );
}

export function keysNamespaceOption(): Option<string, "text"> {
  return text({
    description: "The namespace of the Secrets with the key sets, if they are not in a directory.",
    placeholder: "name",
    default: "steward-system",
    check: isNodeName,
    expected: "the name of a namespace",
  });
}

/** The addresses that go to nodes: public, so without a password, and with TLS, or nobody knows who answers. */
export function agentUrlsOption(
  description: string,
): Option<readonly string[] | undefined, "list"> {
  return optional(
    list({
      description,
      placeholder: "url,…",
      check: isAgentUrl,
      expected: "tls://host:port without user and password, more than one separated by commas",
      redact: (given) => given.replace(/(\/\/|").*@/s, "$1***@"),
    }),
  );
}

function isAgentUrl(url: string): boolean {
  try {
    const { tls, credentials } = parseServerUrl(url);
    return tls && credentials === undefined;
  } catch {
    return false;
  }
}

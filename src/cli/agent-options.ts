import { isNodeName, suggestNodeName } from "../protocol/names.ts";
import { logLevelOption, natsUrlOption } from "./common-options.ts";
import { duration, flag, integer, optional, text, type Option } from "./option.ts";
import type { Program } from "./program.ts";

const options = {
  insecure: flag({
    description:
      "Run without an identity: whoever is on the broker is believed, and can run anything here. Only for trials; " +
      "the controller must be insecure as well.",
    default: "false",
  }),
  node: nodeOption(),
  namespace: optional(
    text({
      description:
        "With --insecure, the namespace that the node belongs to; default if not given. Else it is in the identity.",
      placeholder: "name",
      check: isNodeName,
      expected: "the name of a namespace",
    }),
  ),
  natsUrl: serversOption(),
  dataDir: dataDirOption(
    "A directory for the agent's journal and its identity. Whoever loses it loses what the node has run.",
  ),
  policy: text({
    description:
      "A YAML file with what this node lets be done, and as whom. Written with the default if it is missing.",
    placeholder: "file",
    default: "/etc/steward/policy.yaml",
    check: (path) => path.startsWith("/"),
    expected: "an absolute path",
  }),
  helloInterval: duration(
    { minMs: 1_000, maxMs: 3_600_000 },
    { description: "How often the node says that it is there.", default: "30s" },
  ),
  killGracePeriod: duration(
    { minMs: 0, maxMs: 3_600_000 },
    {
      description: "How long a command that is to end has between SIGTERM and SIGKILL.",
      default: "5s",
    },
  ),
  maxRunningCommands: integer(
    { min: 1, max: 256 },
    {
      description:
        "How many commands run at once; further ones wait in the order of their arrival.",
      placeholder: "number",
      default: "4",
    },
  ),
  maxOutput: integer(
    { min: 65_536, max: 1_099_511_627_776 },
    {
      description:
        "Beyond so many bytes on stdout or on stderr a command is ended: what it prints is kept in " +
        "dataDir while it runs.",
      placeholder: "bytes",
      default: "268435456",
    },
  ),
  logLevel: logLevelOption(),
};

export const agentProgram: Program<typeof options> = {
  command: "steward agent",
  summary:
    "Runs on a node the commands that the cluster declares for it and reports their outcome.",
  options,
  examples: [
    { what: "A machine that has joined: see steward agent join --help", command: "steward agent" },
    {
      what: "A trial without keys",
      command: "steward agent --insecure --node ship1 --nats-url nats://127.0.0.1:4222",
    },
    { what: "All from a file", command: "steward agent --config /etc/steward/agent.yaml" },
  ],
};

function nodeOption(): Option<string | undefined, "text"> {
  return optional(
    text({
      description:
        "With --insecure, the name of this node: that of its EdgeNode. No two nodes of a broker share one. Else it " +
        "is in the identity.",
      placeholder: "name",
      check: isNodeName,
      expected: "at most 63 lower-case letters, digits and dashes, no dash first or last",
      hint: (given) => {
        const name = suggestNodeName(given);
        return name === undefined ? undefined : `; ${name} would do`;
      },
    }),
  );
}

function serversOption(): Option<readonly string[] | undefined, "list"> {
  const { default: _noDefault, ...option } = natsUrlOption();
  return optional({
    ...option,
    description: `${option.description} With an identity, instead of those that are in it.`,
  });
}

export function dataDirOption(description: string): Option<string, "text"> {
  return text({
    description,
    placeholder: "path",
    default: "/var/lib/steward",
    check: (path) => path.startsWith("/"),
    expected: "an absolute path",
  });
}

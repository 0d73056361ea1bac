import { isNodeName, suggestNodeName } from "../protocol/names.ts";
import { logLevelOption, natsUrlOption } from "./common-options.ts";
import { duration, integer, text } from "./option.ts";
import type { Program } from "./program.ts";

const options = {
  node: text({
    description: "The name of this node: that of its EdgeNode. No two nodes of a broker share one.",
    placeholder: "name",
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
  natsUrl: natsUrlOption(),
  dataDir: text({
    description:
      "A directory for the agent's journal. Whoever loses it loses what the node has run.",
    placeholder: "path",
    default: "/var/lib/steward",
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
    {
      what: "A ship, and its broker ashore",
      command: "steward agent --node ship1 --nats-url tls://nats.example.com:4222",
    },
    { what: "All from a file", command: "steward agent --config /etc/steward/agent.yaml" },
  ],
};

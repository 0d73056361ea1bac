/**
 * A program: many agents in one process, each with its own connection and its own journal, in all else the
 * agent of `steward agent` with a method that does nothing. With `probe` it also answers what the ACK is
 * compared with: bare requests, and commits of a journal on the same disk.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";

import type { Msg, NatsConnection } from "nats";

import { connectClient } from "../dev/controlplane/nats-client.ts";
import { mintNodeCredentials, readKeyFile } from "../dev/controlplane/nats-access.ts";
import { createAgent } from "../src/agent/agent.ts";
import { gatherFacts, type MachineFacts } from "../src/agent/facts.ts";
import { Ledger } from "../src/agent/ledger.ts";
import { takeCommand } from "../src/agent/take-command.ts";
import { stopSignal } from "../src/cli/start.ts";
import { connectBus } from "../src/nats/connect-bus.ts";
import { commandMessage } from "../src/protocol/command.ts";
import { decodeMessage } from "../src/protocol/envelope.ts";
import type { Trust } from "../src/protocol/signature.ts";
import { nodeInbox } from "../src/protocol/subjects.ts";
import { systemClock as clock } from "../src/runtime/clock.ts";
import type { Logger } from "../src/runtime/logger.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { shellcommand } from "../src/agent/methods/shellcommand.ts";
import { COMMIT_TIMES, COMMITS, ECHO_PREFIX, GATE, type HostConfig } from "./agent-host-config.ts";
import { timeCommits } from "./commit-times.ts";
import { gated, openGate } from "./gated-method.ts";
import { noop } from "./noop-method.ts";
import { agentSecurityOf, controllerTrust, keyOf, keysOfNodes, type NodeKeys } from "./security.ts";

interface Surroundings {
  readonly config: HostConfig;
  readonly logger: Logger;
  readonly machine: MachineFacts;
  readonly keys: NodeKeys;
  readonly signal: AbortSignal;
}

const random = Math.random;

async function main(config: HostConfig): Promise<void> {
  const logger = createLogger({ level: "warn", name: "agent-host" });
  const { signal } = stopSignal(logger);
  const { keys } = await keysOfNodes(config.dir, config.nodes);
  const surroundings = { config, logger, machine: await gatherFacts(), keys, signal };
  await using probe = config.probe ? await startProbe(config) : undefined;
  await Promise.all(config.nodes.map((node) => runAgent(node, surroundings)));
  void probe;
}

async function runAgent(node: string, surroundings: Surroundings): Promise<void> {
  const { config, logger, machine, keys, signal } = surroundings;
  const { keysDir } = config;
  const key = keyOf(node, keys);
  const credentials = await mintNodeCredentials(keysDir, node, { key });
  const ca = await readKeyFile(keysDir, "nats/ca.crt");
  const security = await agentSecurityOf(keysDir, key);
  await using bus = connectBus({
    servers: [config.natsUrl],
    name: `steward-agent ${node}`,
    inbox: nodeInbox(node),
    credentials: () => credentials,
    ca: () => ca,
    clock,
    random,
    logger,
  });
  const agent = createAgent(
    { node, namespace: config.namespace, dataDir: join(config.dir, node), agentVersion: "0.0.0" },
    {
      bus,
      clock,
      random,
      newID: randomUUID,
      logger,
      machine,
      security,
      methods: [noop, gated, shellcommand],
    },
  );
  await agent.run(signal);
}

async function startProbe(host: HostConfig): Promise<AsyncDisposable> {
  const { dir, keysDir } = host;
  const connection = await connectClient(host, { name: "probe" });
  const trust = await controllerTrust(keysDir);
  const ledger = Ledger.open(join(dir, "probe", "ledger.db"), randomUUID);
  answerEchoes(connection);
  answerCommits(connection, ledger, trust);
  connection.subscribe(GATE, { callback: openGate });
  const commitTimes = timeCommits();
  connection.subscribe(COMMIT_TIMES, {
    callback: (_, message) => void message.respond(JSON.stringify(commitTimes.splice(0))),
  });
  return {
    [Symbol.asyncDispose]: async () => {
      await connection.close();
      ledger.close();
    },
  };
}

/** The last token says how many bytes the reply is to have. */
function answerEchoes(connection: NatsConnection): void {
  const replies = new Map<string, Uint8Array>();
  connection.subscribe(`${ECHO_PREFIX}.*`, {
    callback: (error, message) => {
      if (error !== null) throw error;
      const size = message.subject.slice(ECHO_PREFIX.length + 1);
      const reply = replies.get(size) ?? new Uint8Array(Number(size));
      replies.set(size, reply);
      message.respond(reply);
    },
  });
}

/** Takes the command into a journal that no agent has, and says how many milliseconds that took. */
function answerCommits(connection: NatsConnection, ledger: Ledger, trust: Trust): void {
  const commit = async (message: Msg): Promise<void> => {
    const command = decodeMessage(commandMessage, message.data, trust);
    const at = new Date().toISOString();
    const runID = randomUUID();
    const start = performance.now();
    await ledger.commit((tables) =>
      takeCommand(tables, { command, runID, at, rejection: undefined }),
    );
    message.respond(JSON.stringify(performance.now() - start));
  };
  connection.subscribe(COMMITS, {
    callback: (error, message) => {
      if (error !== null) throw error;
      void commit(message);
    },
  });
}

const config: HostConfig = JSON.parse(process.argv[2] ?? "{}");
await main(config);

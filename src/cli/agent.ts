import { randomUUID } from "node:crypto";
import { createAgent } from "../agent/agent.ts";
import { Credentials } from "../agent/credentials.ts";
import { gatherFacts } from "../agent/facts.ts";
import { closeInheritedFiles } from "../agent/inherited-files.ts";
import type { NodeIdentity } from "../agent/node-identity.ts";
import { NO_STEPS, type Steps } from "../agent/steps.ts";
import { connectBus, type NatsBus } from "../nats/connect-bus.ts";
import { nodeInbox } from "../protocol/subjects.ts";
import { systemClock as clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { openEnrollmentBus } from "./agent-enrollment.ts";
import { openAgentIdentity, type AgentIdentity } from "./agent-identity.ts";
import { agentProgram } from "./agent-options.ts";
import { openPolicyFile } from "./policy-file.ts";
import type { Compiled } from "./program.ts";
import { EXIT_FAILURE, EXIT_USAGE, start, stopSignal } from "./start.ts";
import { VERSION } from "./version.ts";

const random = Math.random;

/** `steward agent`: everything that it is made of, and nothing else. Resolves to the exit status. */
export async function runAgent(argv: readonly string[], steps: Steps = NO_STEPS): Promise<number> {
  closeInheritedFiles();
  const started = start(agentProgram, argv, ({ logLevel }) => logLevel);
  if (typeof started === "number") return started;
  const { options, logger } = started;
  const identity = await identityOr(options);
  if (identity === undefined) return EXIT_USAGE;
  if (identity.joined === undefined) {
    logger.warn({}, "insecure: whoever is on the broker can run anything on this node");
  }
  const { node, namespace, security } = identity;
  const machine = await gatherFacts();
  const stop = stopSignal(logger);
  await using connection = connect(identity, logger);
  const agent = createAgent(
    {
      node,
      namespace,
      clusterID: identity.joined?.known.clusterID,
      dataDir: options.dataDir,
      agentVersion: VERSION,
      helloIntervalMs: options.helloIntervalMs,
      killGraceMs: options.killGracePeriodMs,
      maxRunningCommands: options.maxRunningCommands,
      maxOutputBytes: options.maxOutput,
    },
    {
      ...connection,
      clock,
      random,
      newID: randomUUID,
      logger,
      machine,
      policy: openPolicyFile({ path: options.policy, uid: machine.account.uid, logger }),
      security,
      steps,
    },
  );
  try {
    await agent.run(stop.signal);
    logger.info({}, "stopped");
    return 0;
  } catch (thrown) {
    logger.error({ err: thrown }, `the agent cannot go on: ${errorMessage(thrown)}`);
    return EXIT_FAILURE;
  }
}

/** Undefined if there is none that can be used, which is said by then. */
async function identityOr(
  options: Compiled<typeof agentProgram.options>,
): Promise<AgentIdentity | undefined> {
  try {
    return await openAgentIdentity(options);
  } catch (thrown) {
    process.stderr.write(`${agentProgram.command}: cannot start\n  ${errorMessage(thrown)}\n`);
    return undefined;
  }
}

interface Connection extends AsyncDisposable {
  readonly bus: NatsBus;
  readonly credentials?: Credentials;
}

function connect({ node, servers, joined }: AgentIdentity, logger: Logger): Connection {
  const common = {
    servers,
    name: `steward-agent ${node}`,
    inbox: nodeInbox(node),
    clock,
    random,
    logger,
  };
  if (joined === undefined) {
    const bus = connectBus(common);
    return { bus, [Symbol.asyncDispose]: () => bus.close() };
  }
  const credentials = credentialsOf(joined, { servers, logger, dialNow: () => bus.dialNow() });
  const bus = connectBus({
    ...common,
    credentials: () => joined.credentials,
    ca: () => joined.known.ca,
    onRefused: () => credentials.refused(),
  });
  return { bus, credentials, [Symbol.asyncDispose]: () => bus.close() };
}

interface CredentialsParts {
  readonly servers: readonly string[];
  readonly logger: Logger;
  readonly dialNow: () => void;
}

function credentialsOf(
  identity: NodeIdentity,
  { servers, logger, dialNow }: CredentialsParts,
): Credentials {
  return new Credentials({
    identity,
    openEnrollmentBus: () => openEnrollmentBus({ ...identity.known, servers }, logger),
    dialNow,
    clock,
    random,
    newID: randomUUID,
    logger,
  });
}

import { randomUUID } from "node:crypto";
import { createAgent } from "../agent/agent.ts";
import { gatherFacts } from "../agent/facts.ts";
import { NO_STEPS, type Steps } from "../agent/steps.ts";
import { connectBus } from "../nats/connect-bus.ts";
import { nodeInbox } from "../protocol/subjects.ts";
import { systemClock as clock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import { agentProgram } from "./agent-options.ts";
import { EXIT_FAILURE, start, stopSignal } from "./start.ts";
import { VERSION } from "./version.ts";

const random = Math.random;

/** `steward agent`: everything that it is made of, and nothing else. Resolves to the exit status. */
export async function runAgent(argv: readonly string[], steps: Steps = NO_STEPS): Promise<number> {
  const started = start(agentProgram, argv, ({ logLevel }) => logLevel);
  if (typeof started === "number") return started;
  const { options, logger } = started;
  const { node, namespace, dataDir, natsUrl, helloIntervalMs } = options;
  const stop = stopSignal(logger);
  await using bus = connectBus({
    servers: natsUrl,
    name: `steward-agent ${node}`,
    inbox: nodeInbox(node),
    clock,
    random,
    logger,
  });
  const agent = createAgent(
    {
      node,
      namespace,
      dataDir,
      agentVersion: VERSION,
      helloIntervalMs,
      killGraceMs: options.killGracePeriodMs,
      maxRunningCommands: options.maxRunningCommands,
      maxOutputBytes: options.maxOutput,
    },
    { bus, clock, random, newID: randomUUID, logger, machine: await gatherFacts(), steps },
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

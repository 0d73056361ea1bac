import type { EdgeCommand } from "../api/v1alpha1/edgecommand.ts";
import type { EdgeNode } from "../api/v1alpha1/edgenode.ts";
import { Controller } from "../controller/controller.ts";
import type { IdentityPorts } from "../controller/identity/ports.ts";
import type { StoreErrors } from "../controller/ports.ts";
import { NO_STEPS, type Steps } from "../controller/steps.ts";
import { ApiError } from "../kubernetes/api-error.ts";
import { waitForCluster, type ClusterFacts } from "../kubernetes/cluster.ts";
import { Reflector } from "../kubernetes/reflector.ts";
import { createResourceClient } from "../kubernetes/resource-client.ts";
import { ResourceStore } from "../kubernetes/resource-store.ts";
import { createValueReader } from "../kubernetes/value-reader.ts";
import { aborted } from "../runtime/aborted.ts";
import { steadyClock, systemClock, type SteadyClock } from "../runtime/clock.ts";
import { errorMessage } from "../runtime/errors.ts";
import { ErrorKernel } from "../runtime/errorkernel.ts";
import type { Logger } from "../runtime/logger.ts";
import { Supervisor } from "../runtime/supervisor.ts";
import { cacheCheck, brokerCheck } from "../telemetry/checks.ts";
import { EventLoopWatchdog } from "../telemetry/event-loop-watchdog.ts";
import { startHttpServer } from "../telemetry/http-server.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { connectController, type Connections } from "./controller-connections.ts";
import { controllerIdentity } from "./controller-identity.ts";
import { controllerProgram, problemOf } from "./controller-options.ts";
import { electionFor, leaseNamespaceOf, type Election } from "./controller-election.ts";
import type { Compiled } from "./program.ts";
import { edgeCommands, edgeNodes } from "./resources.ts";
import { EXIT_FAILURE, EXIT_USAGE, start, stopSignal, type Start } from "./start.ts";
import { VERSION } from "./version.ts";

const random = Math.random;
const MAX_EVENT_LOOP_BLOCK_MS = 10_000;
/** A clock that is synchronised is closer than this, and better than what the API server tells of its own. */
const CLOCK_TOLERANCE_MS = 2_000;

const errors: StoreErrors = {
  isConflict: (thrown) => thrown instanceof ApiError && thrown.isConflict(),
  isNotFound: (thrown) => thrown instanceof ApiError && thrown.isNotFound(),
  isAlreadyExists: (thrown) => thrown instanceof ApiError && thrown.isAlreadyExists(),
};

/** `steward controller`: everything that it is made of, and nothing else. Resolves to the exit status. */
export async function runController(
  argv: readonly string[],
  steps: Steps = NO_STEPS,
): Promise<number> {
  const started = start(controllerProgram, argv, ({ logLevel }) => logLevel);
  if (typeof started === "number") return started;
  const problem = problemOf(started.options);
  if (problem !== undefined) {
    const { command } = controllerProgram;
    process.stderr.write(`${command}: cannot start\n  ${problem}\nSee ${command} --help\n`);
    return EXIT_USAGE;
  }
  try {
    return await run(started, steps);
  } catch (thrown) {
    started.logger.error({ err: thrown }, `the controller cannot start: ${errorMessage(thrown)}`);
    return EXIT_FAILURE;
  }
}

async function run(
  { options, logger }: Start<typeof controllerProgram.options>,
  steps: Steps,
): Promise<number> {
  const stop = stopSignal(logger);
  let exitCode = 0;
  const clock = steadyClock(systemClock);
  const metrics = createMetrics({ version: VERSION, clock });
  const watchdog = new EventLoopWatchdog({ clock, maxBlockedMs: MAX_EVENT_LOOP_BLOCK_MS });
  const kernel = new ErrorKernel({
    logger,
    isExpendable: (process) => process === "event-loop-watchdog",
    onReport: (report) => {
      metrics.processError(report);
    },
    onShutdown: () => {
      exitCode = EXIT_FAILURE;
      stop.abort();
    },
  });
  await using stack = new AsyncDisposableStack();
  const connections = stack.use(
    await connectController(options, { logger, clock, random, metrics }),
  );
  tellOfSecurity(connections, logger);
  const supervisor = new Supervisor({ clock, random, kernel });
  const election = electionFor(options, connections, metrics, async (signal) => {
    const { transport } = connections;
    const cluster = await waitForCluster({ transport, clock, random, logger, signal });
    await Promise.all([commands.synced(signal), nodes.synced(signal)]);
    if (cluster === undefined) return;
    setClock(clock, cluster, logger);
    await controller.run(signal, options.clusterId ?? cluster.id);
  });
  const { commands, nodes, controller } = compose(options, connections, {
    metrics,
    election,
    steps,
  });
  const server = await startHttpServer({
    host: options.httpHost,
    port: options.httpPort,
    portOption: "--http-port",
    metrics: () => metrics.text(),
    health: [watchdog, ...election.health],
    ready: [
      cacheCheck("edgecommands", commands),
      cacheCheck("edgenodes", nodes),
      brokerCheck(connections.bus),
    ],
    logger,
  });
  stack.use(server);
  supervisor.start("event-loop-watchdog", (signal) => watchdog.run(signal));
  const { keys } = connections;
  if (keys !== undefined) {
    supervisor.start("keys", (signal) => keys.follow(signal, clock, logger));
  }
  supervisor.start("watch/edgecommands", (signal) => commands.run(signal));
  supervisor.start("watch/edgenodes", (signal) => nodes.run(signal));
  supervisor.start("controller", (signal) => election.run(signal));
  await aborted(stop.signal);
  await supervisor.stop();
  logger.info({}, "stopped");
  return exitCode;
}

function tellOfSecurity({ keys }: Connections, logger: Logger): void {
  if (keys === undefined) {
    logger.warn(
      {},
      "--insecure: nothing is signed; whoever is on the broker can command every node",
    );
    return;
  }
  const { serial, keys: commandKeys } = keys.current.commandKeys.set;
  logger.info({ serial, commandKeys }, "everything is signed, and nodes are known by their keys");
}

/**
 * Deadlines count from times that the API server wrote: a controller on a machine whose clock is wrong goes by
 * the server's, as every other controller of the cluster then does.
 */
function setClock(clock: SteadyClock, { time }: ClusterFacts, logger: Logger): void {
  const jumpMs = time === undefined ? 0 : clock.agreeWith(time, CLOCK_TOLERANCE_MS);
  if (jumpMs === 0) return;
  logger.warn({ jumpMs }, "this machine's clock is wrong: the API server's time is used");
}

interface Parts {
  readonly commands: Reflector<EdgeCommand>;
  readonly nodes: Reflector<EdgeNode>;
  readonly controller: Controller;
}

interface Context {
  readonly metrics: Metrics;
  readonly election: Election;
  readonly steps: Steps;
}

function compose(
  options: Compiled<typeof controllerProgram.options>,
  connections: Connections,
  { metrics, election, steps }: Context,
): Parts {
  const { transport, bus, keys, events, logger, clock } = connections;
  const { namespace } = options;
  const watching = {
    transport,
    clock,
    random,
    logger,
    recorder: metrics.kubernetes,
    ...(namespace === undefined ? {} : { namespace }),
  };
  const commands = new Reflector<EdgeCommand>({
    ...watching,
    resource: edgeCommands,
    onChange: ({ object, type }) => {
      controller.commandChanged(object, type === "deleted");
    },
  });
  const nodes = new Reflector<EdgeNode>({
    ...watching,
    resource: edgeNodes,
    onChange: ({ object, type }) => {
      controller.nodeChanged(object, type === "deleted");
    },
  });
  const controller: Controller = new Controller({
    commands: new ResourceStore(commands, createResourceClient(transport, edgeCommands)),
    nodes: new ResourceStore(nodes, createResourceClient(transport, edgeNodes)),
    errors,
    values: createValueReader(transport),
    bus,
    events,
    clock,
    random,
    logger,
    namespace,
    security: () => keys?.current.commandKeys ?? "insecure",
    identity: identityFor(options, connections),
    registerNodes: options.insecure && (options.registerNodes ?? true),
    nodeGracePeriodMs: options.nodeGracePeriodMs,
    recorder: metrics,
    mayAct: () => election.isLeader,
    steps,
  });
  metrics.collectFrom({
    commands: () => tally(commands.list(), ({ status }) => status.phase ?? "Pending"),
    nodes: () => {
      const { ready = 0, notReady = 0 } = tally(nodes.list(), readiness);
      return { ready, notReady };
    },
    receiptsOutstanding: () => controller.receiptsOutstanding,
  });
  return { commands, nodes, controller };
}

function identityFor(
  options: Compiled<typeof controllerProgram.options>,
  connections: Connections,
): IdentityPorts | undefined {
  const { keys, systemBus, transport } = connections;
  if (keys === undefined || systemBus === undefined) return undefined;
  const namespace = leaseNamespaceOf(options, connections);
  const lifetimeMs = options.credentialLifetimeMs;
  return controllerIdentity({ keys, systemBus, transport, namespace, lifetimeMs });
}

function readiness({ status }: EdgeNode): "ready" | "notReady" {
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "True" ? "ready" : "notReady";
}

function tally<T, K extends string>(
  items: Iterable<T>,
  keyOf: (item: T) => K,
): Partial<Record<K, number>> {
  const counts: Partial<Record<K, number>> = {};
  for (const item of items) {
    const key = keyOf(item);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

import { hostname } from "node:os";
import { GROUP, VERSION as API_GROUP_VERSION } from "../api/group.ts";
import type { EdgeCommand } from "../api/v1alpha1/edgecommand.ts";
import type { EdgeNode } from "../api/v1alpha1/edgenode.ts";
import { Controller } from "../controller/controller.ts";
import type { StoreErrors } from "../controller/ports.ts";
import { ApiError } from "../kubernetes/api-error.ts";
import { waitForClusterID } from "../kubernetes/cluster-id.ts";
import { createEventRecorder } from "../kubernetes/events.ts";
import { Reflector } from "../kubernetes/reflector.ts";
import { createResourceClient } from "../kubernetes/resource-client.ts";
import { ResourceStore } from "../kubernetes/resource-store.ts";
import { createTransport } from "../kubernetes/transport.ts";
import { connectBus } from "../nats/connect-bus.ts";
import { CONTROLLER_INBOX } from "../protocol/subjects.ts";
import { systemClock as clock } from "../runtime/clock.ts";
import { ErrorKernel } from "../runtime/errorkernel.ts";
import { Supervisor } from "../runtime/supervisor.ts";
import { controllerProgram } from "./controller-options.ts";
import { EXIT_FAILURE, start, stopSignal } from "./start.ts";

const random = Math.random;
const edgeCommands = resource("EdgeCommand", "edgecommands");
const edgeNodes = resource("EdgeNode", "edgenodes");

const errors: StoreErrors = {
  isConflict: (thrown) => thrown instanceof ApiError && thrown.isConflict(),
  isNotFound: (thrown) => thrown instanceof ApiError && thrown.isNotFound(),
  isAlreadyExists: (thrown) => thrown instanceof ApiError && thrown.isAlreadyExists(),
};

/** `steward controller`: everything that it is made of, and nothing else. Resolves to the exit status. */
export async function runController(argv: readonly string[]): Promise<number> {
  const started = start(controllerProgram, argv, ({ logLevel }) => logLevel);
  if (typeof started === "number") return started;
  const { options, logger } = started;
  const stop = stopSignal(logger);
  const { signal } = stop;
  let exitCode = 0;

  const kernel = new ErrorKernel({
    logger,
    onShutdown: () => {
      exitCode = EXIT_FAILURE;
      stop.abort();
    },
  });
  const supervisor = new Supervisor({ clock, random, kernel });

  await using stack = new AsyncDisposableStack();
  const { kubeconfig, namespace, natsUrl } = options;
  const transport = stack.use(
    await createTransport({
      ...(kubeconfig === undefined ? {} : { kubeconfigPath: kubeconfig }),
      logger,
      clock,
      userAgent: "steward-controller",
    }),
  );
  logger.info({ server: transport.server }, "using the Kubernetes API");
  const bus = stack.use(
    connectBus({
      servers: natsUrl,
      name: "steward-controller",
      inbox: CONTROLLER_INBOX,
      clock,
      random,
      logger,
    }),
  );
  const events = stack.use(
    createEventRecorder({
      transport,
      clock,
      random,
      logger,
      reportingController: `${GROUP}/controller`,
      reportingInstance: hostname(),
    }),
  );

  const clusterID = await waitForClusterID({ transport, clock, random, logger, signal });
  if (clusterID === undefined) return exitCode;
  const watching = {
    transport,
    clock,
    random,
    logger,
    ...(namespace === undefined ? {} : { namespace }),
  };
  const commandReflector = new Reflector<EdgeCommand>({
    ...watching,
    resource: edgeCommands,
    onChange: ({ object, type }) => {
      controller.commandChanged(object, type === "deleted");
    },
  });
  const nodeReflector = new Reflector<EdgeNode>({
    ...watching,
    resource: edgeNodes,
    onChange: ({ object, type }) => {
      controller.nodeChanged(object, type === "deleted");
    },
  });
  const controller = new Controller({
    commands: new ResourceStore(commandReflector, createResourceClient(transport, edgeCommands)),
    nodes: new ResourceStore(nodeReflector, createResourceClient(transport, edgeNodes)),
    errors,
    bus,
    events: {
      record: ({ apiVersion, kind, metadata }, event) => {
        const { namespace: where, name, uid } = metadata;
        events.record({ regarding: { apiVersion, kind, namespace: where, name, uid }, ...event });
      },
    },
    clusterID,
    registerNodes: options.registerNodes,
    namespace,
    nodeGracePeriodMs: options.nodeGracePeriodMs,
    clock,
    random,
    logger,
  });

  supervisor.start("watch/edgecommands", (until) => commandReflector.run(until));
  supervisor.start("watch/edgenodes", (until) => nodeReflector.run(until));
  supervisor.start("controller", async (until) => {
    await Promise.all([commandReflector.synced(until), nodeReflector.synced(until)]);
    await controller.run(until);
  });
  await aborted(signal);
  await supervisor.stop();
  logger.info({}, "stopped");
  return exitCode;
}

function resource(
  kind: string,
  plural: string,
): { group: string; version: string; kind: string; plural: string } {
  return { group: GROUP, version: API_GROUP_VERSION, kind, plural };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

import { hostname } from "node:os";
import { GROUP } from "../api/group.ts";
import type { EventRecorder } from "../controller/ports.ts";
import { createEventRecorder } from "../kubernetes/events.ts";
import { createTransport, type Transport } from "../kubernetes/transport.ts";
import { connectBus, type NatsBus } from "../nats/connect-bus.ts";
import { CONTROLLER_INBOX } from "../protocol/subjects.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { FollowedKeys } from "./controller-keys.ts";
import type { controllerProgram } from "./controller-options.ts";
import type { Compiled } from "./program.ts";

/** What the controller is connected to. */
export interface Connections extends AsyncDisposable {
  readonly transport: Transport;
  /** For the lease alone: its renewals must not queue behind anything. */
  readonly leaseTransport: Transport;
  readonly bus: NatsBus;
  /** Both undefined where nothing is signed. `systemBus` is a connection in the system account. */
  readonly keys: FollowedKeys | undefined;
  readonly systemBus: NatsBus | undefined;
  readonly events: EventRecorder;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Surroundings {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
}

/** Throws if the kubeconfig or the keys cannot be read; waits for nobody to be there. */
export async function connectController(
  options: Compiled<typeof controllerProgram.options>,
  { logger, clock, random, metrics }: Surroundings,
): Promise<Connections> {
  await using stack = new AsyncDisposableStack();
  const transportOptions = {
    ...(options.kubeconfig === undefined ? {} : { kubeconfigPath: options.kubeconfig }),
    logger,
    clock,
    recorder: metrics.kubernetes,
    userAgent: "steward-controller",
  };
  const transport = stack.use(await createTransport(transportOptions));
  const leaseTransport = stack.use(await createTransport(transportOptions));
  logger.info({ server: transport.server }, "using the Kubernetes API");
  const keys = options.keysDir === undefined ? undefined : await FollowedKeys.open(options.keysDir);
  const dialing = {
    servers: options.natsUrl,
    inbox: CONTROLLER_INBOX,
    ca: () => keys?.current.ca,
    clock,
    random,
    logger,
  };
  const bus = stack.use(
    connectBus({
      ...dialing,
      name: "steward-controller",
      credentials: () => keys?.current.user,
    }),
  );
  const systemBus =
    keys &&
    stack.use(
      connectBus({
        ...dialing,
        name: "steward-controller-system",
        credentials: () => keys.current.system,
      }),
    );
  stack.defer(metrics.followBus(bus));
  const recorder = stack.use(
    createEventRecorder({
      transport,
      clock,
      random,
      logger,
      reportingController: `${GROUP}/controller`,
      reportingInstance: hostname(),
    }),
  );
  const events: EventRecorder = {
    record: ({ apiVersion, kind, metadata: { namespace, name, uid } }, event) => {
      recorder.record({ regarding: { apiVersion, kind, namespace, name, uid }, ...event });
    },
  };
  const all = stack.move();
  return {
    transport,
    leaseTransport,
    bus,
    keys,
    systemBus,
    events,
    logger,
    clock,
    random,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { crdDirectory } from "../../dev/controlplane/apply-crds.ts";
import { startControlPlane, type ControlPlane } from "../../dev/controlplane/control-plane.ts";
import { startGuardian, type Guardian } from "../../dev/controlplane/guard.ts";
import { until } from "../../dev/controlplane/waiting.ts";
import { createTransport } from "../../src/kubernetes/transport.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";
import { ApiUser } from "./api-user.ts";
import { controllerLaunch, openPaths, type ControllerPaths } from "./controllers.ts";
import type { FaultRecord, SelfExit } from "./evidence.ts";
import type { Facilities } from "./facilities.ts";
import { History } from "./history.ts";
import { Link } from "./link.ts";
import { agentLaunch, surroundingsOf, type Surroundings } from "./nodes.ts";
import { OddClock } from "./odd-clock.ts";
import { Supervised, type Launch } from "./process.ts";
import { killProcessesOfRuns } from "./processes-left.ts";
import { parseTruth, type TruthLine } from "./scripts.ts";
import { CONTROLLERS, NODES, ODD_CLOCK_CONTROLLER, type NodeName } from "./topology.ts";
import { loggerTo, type Trace } from "./trace.ts";

export interface WorldOptions {
  /** For all that is worth keeping after a failure; not removed here. */
  readonly dir: string;
  readonly facilities: Facilities;
  readonly random: Random;
  readonly clock: Clock;
  readonly trace: Trace;
  /** Makes the ids of boots. */
  readonly newID: () => string;
  readonly signal: AbortSignal;
}

/** A process of ours and its link to the broker. */
export interface Member {
  readonly process: Supervised;
  readonly nats: Link;
  readonly oddClock: OddClock | undefined;
}

export type NodeMember = Member & Surroundings;
export type ControllerMember = Member & ControllerPaths;

/** Everything that a run has started, and what is known of it. */
export interface World extends WorldOptions {
  readonly namespace: string;
  readonly plane: ControlPlane;
  readonly user: ApiUser;
  readonly history: History;
  readonly nodes: ReadonlyMap<string, NodeMember>;
  readonly controllers: ReadonlyMap<string, ControllerMember>;
  readonly faults: FaultRecord[];
  readonly exits: SelfExit[];
}

interface Builder extends WorldOptions {
  readonly namespace: string;
  readonly plane: ControlPlane;
  readonly guardian: Guardian;
  readonly exits: SelfExit[];
  readonly stack: AsyncDisposableStack;
}

/** Starts all of it and waits until every node is ready. The stack ends it, also when this fails. */
export async function startWorld(
  options: WorldOptions,
  stack: AsyncDisposableStack,
): Promise<World> {
  const { signal, clock, trace } = options;
  const namespace = `faults-${randomUUID().slice(0, 8)}`;
  const plane = stack.use(
    await startControlPlane({
      fsync: false,
      crds: crdDirectory,
      signal,
      onUnexpectedExit: (error) => trace.add("server-ended", { error: error.message }),
    }),
  );
  // After the agents are gone: nobody starts anything any more.
  stack.defer(() => killProcessesOfRuns(namespace));
  const guardian = stack.use(await startGuardian());
  const logger = loggerTo(trace);
  const { kubeconfigPath } = plane;
  const transport = stack.use(await createTransport({ kubeconfigPath, logger, clock }));
  const user = new ApiUser({ transport, namespace }, options);
  await user.createNamespace();
  const history = stack.use(new History({ ...options, transport, namespace }));
  const builder: Builder = { ...options, namespace, plane, guardian, exits: [], stack };
  const controllers = new Map<string, ControllerMember>();
  for (const name of CONTROLLERS) controllers.set(name, await addController(name, builder));
  const nodes = new Map<string, NodeMember>();
  for (const name of NODES) nodes.set(name, await addNode(name, builder));
  await until(async () => (await user.readyNodes()) === NODES.length, signal);
  const { exits } = builder;
  return { ...options, namespace, plane, user, history, nodes, controllers, faults: [], exits };
}

async function addController(name: string, builder: Builder): Promise<ControllerMember> {
  const { namespace, stack } = builder;
  const paths = await openPaths({ ...builder, name }, stack);
  const oddClock = name === ODD_CLOCK_CONTROLLER ? await oddClockOf(name, builder) : undefined;
  const launch = controllerLaunch({ paths, namespace, oddClock });
  const process = await supervise(name, () => launch, { ...builder, oddClock });
  return { ...paths, process, oddClock };
}

async function addNode(name: NodeName, builder: Builder): Promise<NodeMember> {
  const { dir, plane, stack, namespace } = builder;
  await writeFile(truthPath(builder, name), "");
  const target = { targetPort: plane.natsPort, protocol: "nats" } as const;
  const nats = stack.use(await Link.start({ ...builder, ...target }));
  const home = join(dir, name);
  await mkdir(home, { recursive: true });
  const surroundings = await surroundingsOf(name, { ...builder, home });
  const oddClock = surroundings.wantsOddClock ? await oddClockOf(name, builder) : undefined;
  const natsUrl = `nats://127.0.0.1:${nats.port}`;
  const launch = (): Launch =>
    agentLaunch({ node: name, namespace, natsUrl, home }, { ...surroundings, oddClock });
  const process = await supervise(name, launch, { ...builder, oddClock });
  return { ...surroundings, process, nats, oddClock };
}

async function oddClockOf(
  name: string,
  { dir, facilities: { fakeTimeLibrary } }: Builder,
): Promise<OddClock | undefined> {
  if (fakeTimeLibrary === undefined) return undefined;
  const clock = new OddClock(join(dir, `${name}.clock`), fakeTimeLibrary);
  await clock.set(0);
  return clock;
}

async function supervise(
  name: string,
  launch: () => Launch,
  builder: Builder & { readonly oddClock: OddClock | undefined },
): Promise<Supervised> {
  const { guardian, clock, dir, exits, trace, oddClock, stack } = builder;
  const supervised = new Supervised({
    name,
    guardian,
    clock,
    launch,
    logPath: join(dir, `${name}.log`),
    onSelfExit: ({ code, signal }) => {
      exits.push({ atMs: trace.nowMs, process: name, code, signal });
      trace.add("ended-by-itself", { process: name, code, signal });
    },
  });
  // What a killed program leaves of its clock.
  if (oddClock !== undefined) stack.defer(() => oddClock.cleanUp(supervised.pids));
  await supervised.start();
  return supervised;
}

/** What a fault is aimed at; throws for a name that nobody has. */
export function memberOf(world: World, name: string): Member {
  return found(world.nodes.get(name) ?? world.controllers.get(name), name);
}

export function nodeOf(world: World, name: string): NodeMember {
  return found(world.nodes.get(name), name);
}

export function controllerOf(world: World, name: string): ControllerMember {
  return found(world.controllers.get(name), name);
}

function found<T>(member: T | undefined, name: string): T {
  if (member === undefined) throw new RangeError(`there is no ${name}`);
  return member;
}

export function truthPath({ dir }: Pick<WorldOptions, "dir">, node: string): string {
  return join(dir, `${node}.truth`);
}

export async function readTruth(world: Pick<WorldOptions, "dir">): Promise<readonly TruthLine[]> {
  const all = NODES.map(async (node) =>
    parseTruth(node, await readFile(truthPath(world, node), "utf8")),
  );
  return (await Promise.all(all)).flat();
}

import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { crdDirectory } from "../../dev/controlplane/apply-crds.ts";
import { startControlPlane, type ControlPlane } from "../../dev/controlplane/control-plane.ts";
import { startGuardian, type Guardian } from "../../dev/controlplane/guard.ts";
import { readKeyFile } from "../../dev/controlplane/nats-access.ts";
import { run } from "../../dev/controlplane/run.ts";
import { until } from "../../dev/controlplane/waiting.ts";
import { enroll } from "../../dev/fleet.ts";
import { createTransport } from "../../src/kubernetes/transport.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";
import { openPolicy } from "../support/open-policy.ts";
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
import type { BrokerIdentity } from "./tls-ends.ts";
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

const HELLO = ["--hello-interval", "1s"];
const AGENT_FLAGS = [...HELLO, "--kill-grace-period", "500ms", "--log-level", "debug"];

interface Builder extends WorldOptions {
  readonly namespace: string;
  readonly plane: ControlPlane;
  readonly keysDir: string;
  readonly broker: BrokerIdentity;
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
  const { keysDir = "" } = plane;
  const broker = await brokerIdentity(keysDir);
  const trusted = { plane, keysDir, broker };
  const builder: Builder = { ...options, ...trusted, namespace, guardian, exits: [], stack };
  const controllers = new Map<string, ControllerMember>();
  for (const name of CONTROLLERS) controllers.set(name, await addController(name, builder));
  const nodes = new Map<string, NodeMember>();
  for (const name of NODES) nodes.set(name, await addNode(name, builder));
  await until(async () => (await user.readyNodes()) === NODES.length, signal);
  const { exits } = builder;
  return { ...options, namespace, plane, user, history, nodes, controllers, faults: [], exits };
}

async function addController(name: string, builder: Builder): Promise<ControllerMember> {
  const { namespace, keysDir, stack } = builder;
  const paths = await openPaths({ ...builder, name }, stack);
  const oddClock = name === ODD_CLOCK_CONTROLLER ? await oddClockOf(name, builder) : undefined;
  const launch = controllerLaunch({ paths, namespace, keysDir, oddClock });
  const process = await supervise(name, () => launch, { ...builder, oddClock });
  return { ...paths, process, oddClock };
}

async function addNode(name: NodeName, builder: Builder): Promise<NodeMember> {
  const { dir, plane, broker, stack } = builder;
  await writeFile(truthPath(builder, name), "");
  const target = { targetPort: plane.natsPort, protocol: broker };
  const nats = stack.use(await Link.start({ ...builder, ...target }));
  const home = join(dir, name);
  await mkdir(home, { recursive: true });
  const surroundings = await surroundingsOf(name, { ...builder, home });
  const oddClock = surroundings.wantsOddClock ? await oddClockOf(name, builder) : undefined;
  const launchOf = (args: readonly string[]): Launch =>
    agentLaunch(home, args, { ...surroundings, oddClock });
  const flags = [...AGENT_FLAGS, "--policy", await openPolicy(home)];
  await joinFleet(name, launchOf, { ...builder, natsUrl: `tls://127.0.0.1:${nats.port}` });
  const process = await supervise(name, () => launchOf(flags), { ...builder, oddClock });
  return { ...surroundings, process, nats, oddClock };
}

async function joinFleet(
  name: NodeName,
  launchOf: (args: readonly string[]) => Launch,
  { plane, namespace, natsUrl, signal }: Builder & { readonly natsUrl: string },
): Promise<void> {
  const token = await enroll(name, plane, { namespace, natsUrl });
  const { command, args } = launchOf(["join", token]);
  const env = { PATH: process.env["PATH"] ?? "" };
  const { code, stderr } = await run(command, args, { env, signal });
  if (code !== 0) throw new Error(`${name} cannot join: ${stderr}`);
}

async function brokerIdentity(keysDir: string): Promise<BrokerIdentity> {
  return {
    certificate: await readKeyFile(keysDir, "nats/tls.crt"),
    key: await readKeyFile(keysDir, "nats/tls.key"),
    ca: await readKeyFile(keysDir, "nats/ca.crt"),
  };
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

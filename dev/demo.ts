/** The command `npm run demo`: a control plane, a controller, three agents, and commands for them. */
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { crdDirectory } from "./controlplane/apply-crds.ts";
import { startControlPlane, type ControlPlane } from "./controlplane/control-plane.ts";
import { startGuardian } from "./controlplane/guard.ts";
import { kubectlEnvironment } from "./controlplane/kubectl-environment.ts";
import { run } from "./controlplane/run.ts";
import { abortable, until } from "./controlplane/waiting.ts";
import {
  agentProcess,
  controllerProcess,
  endCommands,
  enroll,
  joinFleet,
  type FleetAccess,
  type StewardProcess,
} from "./fleet.ts";
import { Interrupted, interruption } from "./interruption.ts";
import { LiveTable } from "./live-table.ts";

const usage = `Usage: npm run demo [-- options]

Starts a control plane, a controller and the agents ship1, ship2 and factory1 on this machine, applies
examples/ with kubectl and shows what becomes of it. Then it stays, for you to try things, until Ctrl-C.

  --exit            end after the show; the exit status is 0 only if every outcome is the expected one
  --controllers N   start N controllers, of which one leads; with 2 or more, the leader is killed
                    while commands run, and a standby takes over
  --help            this text
`;

/** What each example is there to show: its phase in the end, with its exit code. */
const EXPECTED: Readonly<Record<string, string>> = {
  "calibrate-factory1": "TimedOut",
  "check-disk-ship1": "Failed 3",
  "count-factory1": "Succeeded 0",
  "hello-submarine9": "Expired",
  "inventory-ship2": "Succeeded 0",
  "ping-factory1": "Succeeded",
  "uptime-ship1": "Succeeded 0",
};

const examples = fileURLToPath(new URL("../examples", import.meta.url));

interface Demo {
  readonly plane: ControlPlane;
  readonly signal: AbortSignal;
}

async function main(): Promise<number> {
  const stop = interruption();
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === undefined) {
      process.stdout.write(usage);
      return 0;
    }
    return await demonstrate(stop, options);
  } catch (thrown) {
    if (thrown instanceof Interrupted) return thrown.exitCode;
    say(thrown instanceof Error ? thrown.message : String(thrown));
    return 1;
  }
}

interface Options {
  readonly exits: boolean;
  readonly controllers: number;
}

/** Undefined: help is asked for. */
function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      exit: { type: "boolean", default: false },
      controllers: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  if (!/^[1-5]$/.test(values.controllers)) {
    throw new RangeError(`--controllers: got ${values.controllers}, expected a number from 1 to 5`);
  }
  return { exits: values.exit, controllers: Number(values.controllers) };
}

async function demonstrate(stop: AbortController, options: Options): Promise<number> {
  const { signal } = stop;
  say("Starting etcd, kube-apiserver, kube-controller-manager and nats-server…");
  await using plane = await startControlPlane({
    signal,
    progress: say,
    crds: crdDirectory,
    onUnexpectedExit: (error) => stop.abort(error),
  });
  await using guardian = await startGuardian();
  const demo = { plane, signal };
  const { kubeconfigPath, natsUrl, keysDir } = plane;
  const access = { guardian, kubeconfigPath, natsUrl, keysDir };
  const leader = await startControllers(demo, access, options.controllers);
  say("The machines ship1, ship2 and factory1 join the fleet…");
  const agents: StewardProcess[] = [];
  for (const node of ["ship1", "ship2", "factory1"]) {
    await joinAs(node, access);
    agents.push(await agentProcess(node, access, ["--hello-interval", "1s"]));
  }
  await using ending = new AsyncDisposableStack();
  ending.defer(async () => {
    for (const agent of agents) {
      await agent.stop("SIGKILL");
      await endCommands(agent.name, access);
    }
  });
  for (const agent of agents) await agent.start();
  await untilReady(demo, "True", ["ship1", "ship2", "factory1"]);

  say("ship2 goes out of reach…");
  const ship2 = agents.find(({ name }) => name === "ship2");
  await ship2?.stop();
  await untilReady(demo, "False", ["ship2"]);
  process.stdout.write(await kubectl(demo, ["get", "edgenodes"]));

  say("\n$ kubectl apply -f examples/");
  process.stdout.write(await kubectl(demo, ["apply", "-f", examples]));
  if (options.controllers > 1) {
    say(
      `\n$ kill -9 ${leader.pid}    (the leader; a standby takes over when its lease has run out)`,
    );
    await leader.stop("SIGKILL");
  }
  say("\n$ kubectl get edgecommands    (again and again, until all have ended)");
  await show(demo, async (settled) => {
    // All but its own command, and the one for a node that does not exist.
    if (settled >= Object.keys(EXPECTED).length - 2 && ship2?.isRunning === false) {
      await ship2.start();
    }
  });
  say("\n$ kubectl get edgecommands -o wide");
  process.stdout.write(await kubectl(demo, ["get", "edgecommands", "-o", "wide"]));
  const exitCode = judge(await outcomes(demo));
  if (options.exits) return exitCode;
  invite(plane, guardian.dir);
  await abortable(new Promise<never>(() => undefined), signal);
  return exitCode;
}

/** Starts them one after the other, so that the first, which is given back, is the leader. */
async function startControllers(
  demo: Demo,
  access: FleetAccess,
  count: number,
): Promise<StewardProcess> {
  say(count === 1 ? "Starting the controller…" : `Starting ${count} controllers…`);
  const flags = ["--node-grace-period", "4s"];
  const leader = await controllerProcess("controller", access, flags).start();
  await until(async () => {
    const lease = ["get", "lease", "steward-controller", "--ignore-not-found"];
    const holder = await kubectl(demo, [...lease, "-o", "jsonpath={.spec.holderIdentity}"]);
    return holder !== "";
  }, demo.signal);
  for (let index = 2; index <= count; index += 1) {
    await controllerProcess(`controller-${index}`, access, flags).start();
  }
  return leader;
}

/** As a person does: the first on a machine with access to the cluster, the second on the one that is to be the node. */
async function joinAs(node: string, access: FleetAccess): Promise<void> {
  say(`$ steward enroll ${node}`);
  const token = await enroll(node, access);
  say(`${node}$ steward agent join ${token.slice(0, 24)}…    (${token.length} characters)`);
  await joinFleet(node, access, token);
}

async function untilReady(demo: Demo, status: string, nodes: readonly string[]): Promise<void> {
  await until(async () => {
    const ready = await Promise.all(nodes.map((node) => readiness(demo, node)));
    return ready.every((each) => each === status);
  }, demo.signal);
}

async function readiness(demo: Demo, node: string): Promise<string> {
  const path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
  return kubectl(demo, ["get", "edgenode", node, "--ignore-not-found", "-o", path]);
}

/** Shows the table until every command has ended. */
async function show(demo: Demo, onProgress: (settled: number) => Promise<void>): Promise<void> {
  const table = new LiveTable(process.stdout);
  for (;;) {
    table.show(await kubectl(demo, ["get", "edgecommands"]));
    const ended = (await outcomes(demo)).filter(({ completed }) => completed);
    if (ended.length === Object.keys(EXPECTED).length) break;
    await onProgress(ended.length);
    await abortable(sleep(250), demo.signal);
  }
  table.show(await kubectl(demo, ["get", "edgecommands"]));
}

interface Outcome {
  readonly name: string;
  readonly completed: boolean;
  readonly what: string;
}

async function outcomes(demo: Demo): Promise<Outcome[]> {
  const columns = [
    "NAME:.metadata.name",
    'COMPLETED:.status.conditions[?(@.type=="Completed")].status',
    "PHASE:.status.phase",
    "EXIT:.status.run.exitCode",
  ];
  const args = ["get", "edgecommands", "--no-headers", "-o", `custom-columns=${columns.join(",")}`];
  const lines = (await kubectl(demo, args)).trim().split("\n");
  return lines.map((line) => {
    const [name = "", completed, phase = "", exit = "<none>"] = line.split(/\s+/);
    const what = exit === "<none>" ? phase : `${phase} ${exit}`;
    return { name, completed: completed === "True", what };
  });
}

function judge(all: readonly Outcome[]): number {
  const wrong = all.filter(({ name, what }) => EXPECTED[name] !== what);
  for (const { name, what } of wrong) say(`${name}: expected ${EXPECTED[name]}, got ${what}`);
  say(wrong.length === 0 ? "\nEvery outcome is the expected one." : "\nNot as expected.");
  return wrong.length === 0 ? 0 : 1;
}

function invite(plane: ControlPlane, logs: string): void {
  const { KUBECONFIG, KUBECACHEDIR } = kubectlEnvironment(plane);
  say(`
It stays until Ctrl-C. Logs of the controller and the agents: ${join(logs, "*.log")}
For the same kubectl in another shell:

export KUBECONFIG=${KUBECONFIG} KUBECACHEDIR=${KUBECACHEDIR}
export PATH=${dirname(plane.binaries.kubectl)}:$PATH
kubectl get edgenodes,edgecommands`);
}

async function kubectl({ plane, signal }: Demo, args: readonly string[]): Promise<string> {
  const env = kubectlEnvironment(plane);
  const { code, stdout, stderr } = await run(plane.binaries.kubectl, args, { env, signal });
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main();

import { join } from "node:path";
import type { Bus } from "../protocol/bus.ts";
import type { Hello } from "../protocol/hello.ts";
import { PROTOCOL } from "../protocol/version.ts";
import type { Clock } from "../runtime/clock.ts";
import { ErrorKernel, type ProcessError } from "../runtime/errorkernel.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { Supervisor } from "../runtime/supervisor.ts";
import { aborted } from "../runtime/aborted.ts";
import { ControllerClock } from "./controller-clock.ts";
import { Dispatcher } from "./dispatcher.ts";
import { ErrorEvents } from "./error-events.ts";
import type { MachineFacts } from "./facts.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Inbox } from "./inbox.ts";
import { Ledger } from "./ledger.ts";
import { MethodProcess } from "./method-process.ts";
import type { Method } from "./methods/method.ts";
import { METHODS } from "./methods/table.ts";
import { NoticeLog } from "../runtime/notice-log.ts";
import { Outbox } from "./outbox.ts";
import { Readiness } from "./readiness.ts";
import { endLeftovers, recover } from "./recovery.ts";
import { AGENT_STOPPED } from "./run-end.ts";
import { RunExecutor } from "./run-executor.ts";

/** How long, beyond the grace, a stopping agent waits for commands that it has killed. */
const KILL_WAIT_MS = 5_000;

export interface AgentOptions {
  readonly node: string;
  readonly namespace: string;
  /** Where the agent keeps its ledger, `ledger.db`. Made, for the owner alone, if it is not there. */
  readonly dataDir: string;
  readonly agentVersion: string;
  /** Between two heartbeats; 30 s unless told. */
  readonly helloIntervalMs?: number;
  /** Between asking a command to end and killing it; 5 s unless told. */
  readonly killGraceMs?: number;
}

export interface AgentDependencies {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  /** Makes ids in the form of a uid, such as randomUUID does. */
  readonly newID: () => string;
  readonly logger: Logger;
  readonly machine: MachineFacts;
  /** The methods that the node offers; all that there are unless told. */
  readonly methods?: readonly Method[];
  /** Told of the error that makes the agent stop by itself, as it begins to. */
  readonly onShutdown?: (error: ProcessError) => void;
}

export interface Agent {
  /**
   * Runs the agent until the signal is aborted: then it takes no more commands, ends those that run and
   * records that, and lets go of its ledger. Throws a LedgerError if the ledger cannot be opened, and
   * what made it stop if it stopped by itself. To be called once.
   */
  run(signal: AbortSignal): Promise<void>;
}

export function createAgent(options: AgentOptions, dependencies: AgentDependencies): Agent {
  return { run: (signal) => runAgent(options, dependencies, signal) };
}

async function runAgent(
  options: AgentOptions,
  dependencies: AgentDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { clock, newID } = dependencies;
  const killGraceMs = options.killGraceMs ?? 5_000;
  const ledger = Ledger.open(join(options.dataDir, "ledger.db"), newID);
  const fatal = new AbortController();
  const kernel = errorKernel(options, dependencies, fatal);
  const supervisor = new Supervisor({ clock, random: dependencies.random, kernel });
  const parts = compose({ ...options, killGraceMs }, dependencies, { ledger, kernel });
  for (const [name, run] of parts.processes) supervisor.start(name, run);
  await aborted(AbortSignal.any([signal, fatal.signal]));
  parts.readiness.setStopping();
  const waiting = new AbortController();
  const ended = parts.executor.stop(AGENT_STOPPED);
  await Promise.race([ended, clock.sleep(killGraceMs + KILL_WAIT_MS, waiting.signal)]);
  waiting.abort();
  await supervisor.stop();
  ledger.close();
  if (fatal.signal.aborted) throw fatal.signal.reason;
}

function errorKernel(
  { node, namespace }: AgentOptions,
  { bus, clock, logger, onShutdown }: AgentDependencies,
  fatal: AbortController,
): ErrorKernel {
  const events = new ErrorEvents({ node, namespace, bus, clock });
  return new ErrorKernel({
    logger,
    isExpendable: (process) => process.startsWith("method/"),
    onReport: (report) => events.publish(report),
    onShutdown: (report) => {
      onShutdown?.(report);
      fatal.abort(report.thrown);
    },
  });
}

interface Parts {
  readonly readiness: Readiness;
  readonly executor: RunExecutor;
  /** In the order of their start: who listens comes before who makes others talk. */
  readonly processes: ReadonlyArray<readonly [string, (signal: AbortSignal) => Promise<void>]>;
}

function compose(
  options: AgentOptions & { readonly killGraceMs: number },
  dependencies: AgentDependencies,
  core: { readonly ledger: Ledger; readonly kernel: ErrorKernel },
): Parts {
  const { clock, machine, newID, logger, methods = METHODS } = dependencies;
  const common = { ...options, ...dependencies, ...machine, ...core, methods };
  const sessionID = newID();
  const controllerClock = new ControllerClock(clock);
  const readiness = new Readiness(clock);
  const firstHello = new AbortController();
  const outbox = new Outbox(common);
  const onResult = (runID: string): void => outbox.due(runID);
  const executor = new RunExecutor({ ...common, controllerClock, onResult });
  const byName = new Map(
    methods.map(({ name }) => [name, new MethodProcess((id) => executor.execute(id), clock)]),
  );
  const dispatcher = new Dispatcher(byName);
  const runs = {
    start: dispatcher.dispatch.bind(dispatcher),
    end: executor.end.bind(executor),
    resultDue: onResult,
  };
  const heartbeat = new Heartbeat({
    ...common,
    intervalMs: options.helloIntervalMs ?? 30_000,
    controllerClock,
    cluster: core.ledger,
    hello: () => helloOf({ ...common, sessionID }),
    onAccepted: () => {
      firstHello.abort();
      outbox.sendAll();
    },
  });
  const inbox = new Inbox({
    ...common,
    sessionID,
    controllerClock,
    readiness,
    runs,
    notices: new NoticeLog(logger),
    onHelloRequest: () => heartbeat.sayNow(),
  });
  const recovery = async (signal: AbortSignal): Promise<void> => {
    if (!readiness.isReady) await endLeftovers(core.ledger, clock);
    await aborted(AbortSignal.any([firstHello.signal, signal]));
    if (signal.aborted) return;
    if (!readiness.isReady) await recover({ ...common, controllerClock, runs });
    readiness.setReady();
    await aborted(signal);
  };
  return {
    readiness,
    executor,
    processes: [
      ["ledger", (signal) => core.ledger.watch(signal)],
      ...Array.from(byName, ([name, one]) => [`method/${name}`, one.run.bind(one)] as const),
      ["outbox", (signal) => outbox.run(signal)],
      ["inbox", (signal) => inbox.run(signal)],
      ["recovery", recovery],
      ["heartbeat", (signal) => heartbeat.run(signal)],
    ],
  };
}

interface HelloParts extends Pick<AgentOptions, "namespace" | "agentVersion"> {
  readonly sessionID: string;
  readonly machine: MachineFacts;
  readonly methods: readonly Method[];
  readonly ledger: Ledger;
}

function helloOf({ namespace, agentVersion, ...parts }: HelloParts): Hello {
  const { clusterID } = parts.ledger;
  return {
    namespace,
    ...(clusterID === undefined ? {} : { clusterID }),
    sessionID: parts.sessionID,
    bootID: parts.machine.bootID,
    ledgerID: parts.ledger.ledgerID,
    agentVersion,
    protocol: PROTOCOL,
    methods: parts.methods.map(({ name }) => name),
    facts: parts.machine.facts,
    ...parts.ledger.read.helloRuns(),
  };
}

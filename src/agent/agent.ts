import { join } from "node:path";
import type { Bus } from "../protocol/bus.ts";
import type { Clock } from "../runtime/clock.ts";
import { ErrorKernel, type ProcessError } from "../runtime/errorkernel.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Random } from "../runtime/random.ts";
import { Supervisor } from "../runtime/supervisor.ts";
import { aborted } from "../runtime/aborted.ts";
import { CommandPermits, type PolicySource } from "./command-permits.ts";
import { ControllerClock, type KeptTime } from "./controller-clock.ts";
import type { Credentials, CredentialsSurroundings } from "./credentials.ts";
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
import { ownHello } from "./own-hello.ts";
import { DEFAULT_POLICY } from "./policy.ts";
import { findSetpriv, Privileges } from "./privileges.ts";
import { Readiness } from "./readiness.ts";
import { recover } from "./recovery.ts";
import { RetrySchedule } from "./retry-schedule.ts";
import { RunExecutor } from "./run-executor.ts";
import { RunQueue } from "./run-queue.ts";
import { RunRecorder } from "./run-recorder.ts";
import { RunSpool } from "./run-spool.ts";
import type { AgentSecurity } from "./security.ts";
import { reportShutdown, type ShutdownReportOptions } from "./shutdown-report.ts";
import { NO_STEPS, type Steps } from "./steps.ts";
import { UntrustedReports } from "./untrusted-reports.ts";

export interface AgentOptions {
  readonly node: string;
  readonly namespace: string;
  /** The cluster that the node has joined; unless told, the first that accepts its hello. */
  readonly clusterID?: string | undefined;
  /**
   * Where the agent keeps its ledger, `ledger.db`, and the files of what runs. Made, for the owner alone,
   * if it is not there.
   */
  readonly dataDir: string;
  readonly agentVersion: string;
  /** Between two heartbeats; 30 s unless told. */
  readonly helloIntervalMs?: number;
  /** Between asking a command to end and killing it; 5 s unless told. */
  readonly killGraceMs?: number;
  /** How many commands run at once; 4 unless told. */
  readonly maxRunningCommands?: number | undefined;
  /** Beyond so much of one stream, in bytes, a command is ended; 256 MiB unless told. */
  readonly maxOutputBytes?: number | undefined;
}

export interface AgentDependencies {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  /** Makes ids in the form of a uid, such as randomUUID does. */
  readonly newID: () => string;
  readonly logger: Logger;
  readonly machine: MachineFacts;
  readonly security: AgentSecurity;
  /** Keeps the credentials for the bus good; none where the broker asks for none. */
  readonly credentials?: Pick<Credentials, "run">;
  /** What the node's owner lets be done; the default policy unless told. */
  readonly policy?: PolicySource;
  /** The methods that the node offers; all that there are unless told. */
  readonly methods?: readonly Method[];
  /** Told of each durable step as it is reached; for tests. */
  readonly steps?: Steps;
  /** Told of the error that makes the agent stop by itself, as it begins to. */
  readonly onShutdown?: (error: ProcessError) => void;
}

export interface Agent {
  /**
   * Runs the agent until the signal is aborted: then it takes no more commands, leaves those that run to the
   * next agent, and lets go of its ledger. Throws a LedgerError if the ledger cannot be opened, and what
   * made it stop if it stopped by itself; the controller is told before, in a message that has left when
   * the bus is closed. To be called once.
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
  const { bus, clock, random, machine } = dependencies;
  const early = new ErrorEvents({ ...options, ...dependencies });
  const ledger = await openLedger(options, dependencies, { bus, clock, events: early }, signal);
  const controllerClock = new ControllerClock(clock, keptTime(ledger, machine.bootID));
  const events = new ErrorEvents({ ...options, ...dependencies, controllerClock });
  const fatal = new AbortController();
  const kernel = errorKernel(dependencies, events, fatal);
  const supervisor = new Supervisor({ clock, random, kernel });
  const parts = compose(options, dependencies, { ledger, kernel, controllerClock });
  for (const [name, run] of parts.processes) supervisor.start(name, run);
  await aborted(AbortSignal.any([signal, fatal.signal]));
  parts.stop();
  await supervisor.stop();
  ledger.close();
  if (!fatal.signal.aborted) return;
  const thrown: unknown = fatal.signal.reason;
  if (!bus.connected) {
    const report = { process: "agent", severity: "fatal", thrown } as const;
    await reportShutdown(report, { bus, clock, events }, signal);
  }
  throw thrown;
}

async function openLedger(
  { dataDir, clusterID }: AgentOptions,
  { newID }: AgentDependencies,
  telling: ShutdownReportOptions,
  signal: AbortSignal,
): Promise<Ledger> {
  try {
    const ledger = Ledger.open(join(dataDir, "ledger.db"), newID);
    if (clusterID !== undefined) await pin(ledger, clusterID, dataDir);
    return ledger;
  } catch (thrown) {
    await reportShutdown({ process: "ledger", severity: "fatal", thrown }, telling, signal);
    throw thrown;
  }
}

/** Throws, and closes the ledger, if it is that of another cluster's node. */
async function pin(ledger: Ledger, clusterID: string, dataDir: string): Promise<void> {
  if (ledger.clusterID === undefined) await ledger.pinCluster(clusterID);
  const known = ledger.clusterID;
  if (known === clusterID) return;
  ledger.close();
  throw new Error(
    `the ledger is of a node of cluster ${known} and this node has joined ${clusterID}: remove ${dataDir} with all ` +
      "that it knows of what has run, and join again",
  );
}

function errorKernel(
  { logger, onShutdown }: AgentDependencies,
  events: ErrorEvents,
  fatal: AbortController,
): ErrorKernel {
  return new ErrorKernel({
    logger,
    isExpendable: (process) => process.startsWith("method/") || process === "credentials",
    onReport: (report) => events.publish(report),
    onShutdown: (report) => {
      onShutdown?.(report);
      fatal.abort(report.thrown);
    },
  });
}

interface Parts {
  /** Takes and starts nothing more. */
  readonly stop: () => void;
  /** In the order of their start: who listens comes before who makes others talk. */
  readonly processes: ReadonlyArray<readonly [string, (signal: AbortSignal) => Promise<void>]>;
}

interface Core {
  readonly ledger: Ledger;
  readonly kernel: ErrorKernel;
  readonly controllerClock: ControllerClock;
}

function compose(options: AgentOptions, dependencies: AgentDependencies, core: Core): Parts {
  const { clock, machine, newID, logger, methods = METHODS, steps = NO_STEPS } = dependencies;
  const { killGraceMs = 5_000, helloIntervalMs = 30_000, maxRunningCommands = 4 } = options;
  const sessionID = newID();
  const readiness = new Readiness(clock);
  const firstHello = new AbortController();
  const common = {
    ...options,
    ...dependencies,
    ...machine,
    ...core,
    methods,
    steps,
    killGraceMs,
    untrusted: new UntrustedReports({ clock, kernel: core.kernel }),
    spool: new RunSpool(options.dataDir),
    permits: permitsOf(dependencies, core.kernel),
  };
  const outbox = new Outbox(common);
  const onResult = (runID: string): void => outbox.due(runID);
  const retries = new RetrySchedule({ ...common, start: (run) => dispatcher.dispatch(run) });
  const onWaiting = retries.add.bind(retries);
  const recorder = new RunRecorder({ ...common, onResult, onWaiting });
  const executor = new RunExecutor({ ...common, recorder, onResult, onWaiting });
  const queue = new RunQueue(maxRunningCommands);
  const byName = new Map(
    methods.map((method) => [method.name, { method, process: new MethodProcess(clock) }]),
  );
  const reattached = new MethodProcess(clock);
  const dispatcher = new Dispatcher({ queue, methods: byName, reattached, executor });
  const runs = {
    start: dispatcher.dispatch.bind(dispatcher),
    end: executor.end.bind(executor),
    resultDue: onResult,
  };
  const heartbeat = new Heartbeat({
    ...common,
    intervalMs: helloIntervalMs,
    cluster: core.ledger,
    hello: () => ownHello({ ...common, sessionID, machine }),
    onTime: () => retries.timeChanged(),
    onAccepted: () => {
      firstHello.abort();
      outbox.sendAll();
    },
  });
  const inbox = new Inbox({
    ...common,
    sessionID,
    readiness,
    runs,
    notices: new NoticeLog(logger),
    onHelloRequest: () => heartbeat.sayNow(),
  });
  const recovery = async (signal: AbortSignal): Promise<void> => {
    if (!readiness.isReady) await recover({ ...common, dispatcher, recorder }, signal);
    await aborted(AbortSignal.any([firstHello.signal, signal]));
    if (signal.aborted) return;
    readiness.setReady();
    await aborted(signal);
  };
  return {
    stop: () => {
      readiness.setStopping();
      queue.stop();
      executor.stop();
    },
    processes: [
      ["ledger", (signal) => core.ledger.watch(signal)],
      ...Array.from(byName, ([name, { process }]) => [`method/${name}`, running(process)] as const),
      ["reattached", running(reattached)],
      ["retries", running(retries)],
      ["outbox", running(outbox)],
      ["inbox", running(inbox)],
      ...credentialsProcess(dependencies, common),
      ["recovery", recovery],
      ["heartbeat", running(heartbeat)],
    ],
  };
}

function permitsOf(dependencies: AgentDependencies, kernel: ErrorKernel): CommandPermits {
  const { machine, logger, clock, methods = METHODS, policy = DEFAULT_SOURCE } = dependencies;
  const { account } = machine;
  const privileges = new Privileges({ own: account, setpriv: findSetpriv(), logger });
  return new CommandPermits({ methods, policy, privileges, account, clock, kernel });
}

const DEFAULT_SOURCE: PolicySource = { current: () => ({ policy: DEFAULT_POLICY }) };

function credentialsProcess(
  { credentials }: AgentDependencies,
  surroundings: CredentialsSurroundings,
): Parts["processes"] {
  if (credentials === undefined) return [];
  return [["credentials", (signal) => credentials.run(surroundings, signal)]];
}

function running(process: {
  run(signal: AbortSignal): Promise<void>;
}): (signal: AbortSignal) => Promise<void> {
  return (signal) => process.run(signal);
}

function keptTime(ledger: Ledger, bootID: string): KeptTime {
  return {
    offset: ledger.read.clockOf(bootID),
    keep: (offset) => {
      // The ledger's own process reports it.
      ledger.commit((tables) => tables.setClock(bootID, offset)).catch(() => undefined);
    },
  };
}

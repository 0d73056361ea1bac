import { ControllerClock } from "../../../src/agent/controller-clock.ts";
import type { DueRun } from "../../../src/agent/dispatcher.ts";
import { ownAccount } from "../../../src/agent/account.ts";
import type { AgentSecurity } from "../../../src/agent/security.ts";
import { PERMITTED } from "../../support/standings.ts";
import { Inbox } from "../../../src/agent/inbox.ts";
import { Ledger } from "../../../src/agent/ledger.ts";
import type { LedgerTables } from "../../../src/agent/ledger-tables.ts";
import { Outbox } from "../../../src/agent/outbox.ts";
import { ownHello } from "../../../src/agent/own-hello.ts";
import { Readiness } from "../../../src/agent/readiness.ts";
import { interruption } from "../../../src/agent/recovery.ts";
import {
  START_DEADLINE_EXCEEDED,
  unstarted,
  type EndCause,
  type RunEnd,
} from "../../../src/agent/run-end.ts";
import { decodeReply, encodeMessage } from "../../../src/protocol/envelope.ts";
import { helloMessage, helloReplyMessage } from "../../../src/protocol/hello.ts";
import { eventSubject, nodeInbox } from "../../../src/protocol/subjects.ts";
import { ANYONE, NO_SIGNERS } from "../../../src/protocol/signature.ts";
import type { RunReport } from "../../../src/protocol/run.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import { ErrorKernel } from "../../../src/runtime/errorkernel.ts";
import type { Logger } from "../../../src/runtime/logger.ts";
import { NoticeLog } from "../../../src/runtime/notice-log.ts";
import { UntrustedReports } from "../../../src/agent/untrusted-reports.ts";
import { newSealingKey } from "../../../src/identity/sealing.ts";
import type { Network } from "./network.ts";
import type { Truth } from "./truth.ts";

export const NODE = "ship1";
const NAMESPACE = "default";
const METHOD = { name: "shellcommand", problem: () => undefined, run: neverCalled };
const FACTS = { os: "linux", arch: "x64", kernel: "6", hostname: "h" };
const SECURITY: AgentSecurity = {
  signers: NO_SIGNERS,
  trust: ANYONE,
  sealingKey: newSealingKey(),
  trustSerial: undefined,
  learn: neverCalled,
};
const HELLO_TIMEOUT_MS = 5_000;
const LOOKUPS = 10;

export interface NodeSurroundings {
  readonly network: Network;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly truth: Truth;
  readonly newID: () => string;
}

/** How far a start gets before the agent is gone. */
export type StartProgress = "running" | "forked" | "committed";

interface Process {
  /** Of the resource. */
  readonly name: string;
  cause: EndCause | undefined;
}

interface Agent {
  readonly sessionID: string;
  /** Of its last hello. */
  sequence: number;
  readonly life: AbortController;
  readonly controllerClock: ControllerClock;
  readonly outbox: Outbox;
  /** Runs in the order in which they are to be started; of one name, each after the one before. */
  readonly waiting: DueRun[];
}

/**
 * A machine with an agent: the real ledger, inbox and outbox. What runs processes (RunExecutor, RunRecorder,
 * Dispatcher, `recover`) is here in few lines, so that a step can stop in the middle of it.
 */
export class NodeModel {
  readonly #surroundings: NodeSurroundings;
  #ledger: Ledger;
  #bootID: string;
  /** The controller's time survives the agent, not the machine. */
  #keptOffset: number | undefined;
  /** What really runs, by the id of the run. */
  readonly #processes = new Map<string, Process>();
  #agent: Agent | undefined;
  /** Of all runs that this ledger may have, and how often that was looked up. */
  readonly #runIDs = new Map<string, number>();

  constructor(surroundings: NodeSurroundings) {
    this.#surroundings = surroundings;
    this.#ledger = Ledger.open(":memory:", surroundings.newID);
    this.#bootID = surroundings.newID();
  }

  get isIdle(): boolean {
    return this.#processes.size === 0 && this.#agent?.waiting.length === 0;
  }

  get owesNothing(): boolean {
    return this.#ledger.read.helloRuns().runsWithoutReceipt === 0;
  }

  /** Starts the agent; it takes commands when it knows the time. */
  start(): void {
    if (this.#agent !== undefined) return;
    const { network, clock, logger, newID } = this.#surroundings;
    const bus = network.connect(NODE, nodeInbox(NODE));
    const readiness = new Readiness(clock);
    const kernel = new ErrorKernel({ logger, onShutdown: () => undefined });
    const untrusted = new UntrustedReports({ clock, kernel });
    const offset = this.#keptOffset;
    const keep = (kept: number): void => {
      this.#keptOffset = kept;
    };
    const agent: Agent = {
      sessionID: newID(),
      sequence: 0,
      life: new AbortController(),
      controllerClock: new ControllerClock(clock, { offset, keep }),
      outbox: new Outbox({
        node: NODE,
        bus,
        clock,
        random: () => 1,
        logger,
        kernel,
        ledger: this.#ledger,
        security: SECURITY,
        untrusted,
      }),
      waiting: [],
    };
    this.#agent = agent;
    const inbox = new Inbox({
      node: NODE,
      namespace: NAMESPACE,
      bus,
      ledger: this.#ledger,
      security: SECURITY,
      untrusted,
      permits: { permission: () => Promise.resolve(PERMITTED) },
      newID: () => {
        const runID = newID();
        this.#runIDs.set(runID, 0);
        return runID;
      },
      kernel,
      readiness,
      sessionID: agent.sessionID,
      controllerClock: agent.controllerClock,
      notices: new NoticeLog(logger),
      onHelloRequest: () => this.hello(),
      runs: {
        start: (run) => agent.waiting.push(run),
        end: (runID, cause) => {
          const process = this.#processes.get(runID);
          if (process !== undefined) process.cause ??= cause;
        },
        resultDue: (runID) => agent.outbox.due(runID),
      },
    });
    void inbox.run(agent.life.signal);
    void agent.outbox.run(agent.life.signal);
    void this.#recover(agent, readiness);
    this.hello();
  }

  crash(): void {
    this.#agent?.life.abort();
    this.#agent = undefined;
    this.#surroundings.network.disconnect(NODE);
  }

  /** The machine goes down, and everything that runs on it. */
  die(): void {
    this.crash();
    this.#processes.clear();
    this.#bootID = this.#surroundings.newID();
    this.#keptOffset = undefined;
  }

  /** The disk is replaced. */
  loseLedger(): void {
    this.die();
    this.#ledger.close();
    this.#ledger = Ledger.open(":memory:", this.#surroundings.newID);
    this.#runIDs.clear();
    this.#surroundings.truth.ledgerLost();
  }

  close(): void {
    this.crash();
    this.#ledger.close();
  }

  /** Says hello, and takes the time and the cluster from the reply: `Heartbeat`. */
  hello(): void {
    const agent = this.#agent;
    const bus = this.#surroundings.network.endpoint(NODE);
    if (agent === undefined || bus === undefined) return;
    agent.sequence += 1;
    const own = ownHello({
      namespace: NAMESPACE,
      agentVersion: "0.1.0",
      sessionID: agent.sessionID,
      machine: { bootID: this.#bootID, facts: FACTS, account: ownAccount() },
      methods: [METHOD],
      ledger: this.#ledger,
      security: SECURITY,
    });
    const said = {
      ...own,
      node: NODE,
      sequence: agent.sequence,
      ...agent.controllerClock.signedAt(),
    };
    const data = encodeMessage(helloMessage, said, NO_SIGNERS);
    const subject = eventSubject(NODE, "hello");
    void bus.request(subject, data, { timeoutMs: HELLO_TIMEOUT_MS }).then(async (outcome) => {
      if (outcome.kind !== "reply" || this.#agent !== agent) return;
      const reply = decodeReply(helloReplyMessage, outcome.data, { request: data, trust: ANYONE });
      agent.controllerClock.set(Date.parse(reply.time));
      if (!reply.accepted) {
        if (reply.reason === "Stale") this.hello();
        return;
      }
      await this.#ledger.pinCluster(reply.clusterID);
      agent.outbox.sendAll();
    });
  }

  /** Starts the next run that may be: `RunExecutor.execute`, up to where `progress` says. */
  async startNext(pick: number, progress: StartProgress): Promise<string | undefined> {
    const agent = this.#agent;
    if (agent?.controllerClock.now() === undefined) return undefined;
    const run = this.#takeNext(agent, pick);
    if (run === undefined) return undefined;
    const { truth, clock } = this.#surroundings;
    const begun = await this.#ledger.commit((tables) => this.#begin(tables, run.runID, agent));
    if (!begun) {
      agent.outbox.due(run.runID);
      return undefined;
    }
    if (progress !== "committed") {
      truth.started(this.#ledger.read.report(run.runID));
      this.#processes.set(run.runID, { name: run.name, cause: undefined });
    }
    if (progress === "running") {
      const at = agent.controllerClock.timestampAt(clock.monotonic());
      await this.#ledger.commit((tables) => tables.markRunning(run.runID, at));
    } else {
      this.crash();
    }
    return run.runID;
  }

  /** A process ends, by itself or because it was to be ended. */
  async finish(pick: number, outcome: "Succeeded" | "Failed"): Promise<string | undefined> {
    const agent = this.#agent;
    if (agent?.controllerClock.now() === undefined) return undefined;
    const entries = [...this.#processes];
    const [runID, process] = entries[pick % Math.max(1, entries.length)] ?? [];
    if (runID === undefined) return undefined;
    const own: RunEnd = { outcome, started: "True", reason: "Completed", message: "" };
    const end = process?.cause === undefined ? own : { ...own, ...process.cause };
    const finishedAt = agent.controllerClock.timestamp();
    await this.#ledger.commit((tables) => tables.finish(runID, { ...end, finishedAt }));
    this.#processes.delete(runID);
    agent.outbox.due(runID);
    return runID;
  }

  /** What the ledger has, for the truth. */
  records(): void {
    for (const [runID, lookups] of this.#runIDs) {
      const report = this.#reportOf(runID);
      // Most were made for commands that the node knew.
      if (report === undefined && lookups > LOOKUPS) this.#runIDs.delete(runID);
      else this.#runIDs.set(runID, lookups + 1);
      if (report !== undefined) this.#surroundings.truth.recorded(report);
    }
  }

  /** Undefined for a run that was not taken on, or is forgotten. */
  #reportOf(runID: string): RunReport | undefined {
    try {
      return this.#ledger.read.report(runID);
    } catch (thrown) {
      if (thrown instanceof RangeError) return undefined;
      throw thrown;
    }
  }

  #takeNext({ waiting }: Agent, pick: number): DueRun | undefined {
    const busy = new Set(Array.from(this.#processes.values(), ({ name }) => name));
    const firsts = waiting.filter(
      ({ name }, index) =>
        !busy.has(name) && waiting.findIndex((other) => other.name === name) === index,
    );
    const run = firsts[pick % Math.max(1, firsts.length)];
    if (run !== undefined) waiting.splice(waiting.indexOf(run), 1);
    return run;
  }

  /** `RunExecutor.#begin`. */
  #begin(tables: LedgerTables, runID: string, { controllerClock }: Agent): boolean {
    const run = tables.openRun(runID);
    if (run?.state !== "Accepted") return false;
    const { startBy } = run.terms;
    if (startBy !== undefined && (controllerClock.now() ?? Infinity) > Date.parse(startBy)) {
      const finishedAt = controllerClock.timestamp();
      tables.finish(runID, { ...unstarted(START_DEADLINE_EXCEEDED), finishedAt });
      return false;
    }
    const startingAt = this.#surroundings.clock.monotonic();
    tables.markStarting(runID, { bootID: this.#bootID, startingAt });
    return true;
  }

  /** `recover` in recovery.ts: what an earlier agent left. */
  async #recover(agent: Agent, readiness: Readiness): Promise<void> {
    const open = this.#ledger.read.openRuns();
    await agent.controllerClock.known;
    if (agent.life.signal.aborted) return;
    for (const run of open) {
      const { runID, state, work, ending } = run;
      const process = this.#processes.get(runID);
      if (process !== undefined) {
        process.cause ??= ending;
        continue;
      }
      if (state !== "Accepted") await this.#lost(agent, run);
      if (this.#ledger.read.openRun(runID)?.state !== "Accepted") agent.outbox.due(runID);
      else agent.waiting.push({ ...run, method: work.method });
    }
    readiness.setReady();
  }

  /** Committed to in this boot and never claimed by its process: it was not made. Else nobody knows. */
  async #lost(agent: Agent, run: ReturnType<Ledger["read"]["openRuns"]>[number]): Promise<void> {
    const finishedAt = agent.controllerClock.timestamp();
    await this.#ledger.commit((tables) => {
      if (run.bootID === this.#bootID) tables.neverStarted(run.runID);
      else tables.finish(run.runID, { ...interruption(run, this.#bootID), finishedAt });
    });
  }
}

function neverCalled(): never {
  throw new TypeError("the model starts its runs itself");
}
